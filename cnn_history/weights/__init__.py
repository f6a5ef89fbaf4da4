"""Weights trained elsewhere: PyTorch files to the variables of our networks."""

from cnn_history.weights.convert import convert
from cnn_history.weights.load import NAMES, load_torch
from cnn_history.weights.reader import read

__all__ = ["NAMES", "convert", "load_torch", "read"]
