"""Conversion of weights between other programs' files and the variables of our networks."""

from cnn_history.weights.convert import convert
from cnn_history.weights.inputs import Inputs
from cnn_history.weights.loader import NAMES, Imported, load
from cnn_history.weights.reader import read

__all__ = ["NAMES", "Imported", "Inputs", "convert", "load", "read"]
