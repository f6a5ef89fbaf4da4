"""Evaluation protocols: how a paper measures the error of a network.

Each is `protocol(probabilities, images, size=, ...)`: `probabilities` maps images [n, h, w, c] to
[n, classes], and so does the protocol, so that protocols compose with each other and with
ensembles.
"""

from cnn_history.evaluation.errors import errors
from cnn_history.evaluation.predict import over_batches
from cnn_history.evaluation.single_crop import single_crop

PROTOCOLS = {"single_crop": single_crop}

__all__ = ["PROTOCOLS", "errors", "over_batches", "single_crop"]
