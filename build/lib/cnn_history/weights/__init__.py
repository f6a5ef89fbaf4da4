"""Weights trained elsewhere: files of others to the variables of our networks, and back."""

from cnn_history.weights.convert import convert
from cnn_history.weights.inputs import Inputs
from cnn_history.weights.loader import NAMES, Imported, load
from cnn_history.weights.reader import read

__all__ = ["NAMES", "Imported", "Inputs", "convert", "load", "read"]
