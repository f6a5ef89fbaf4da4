"""Optimizers as optax transformations, one file a method.

`learning_rate` comes first, a number or a schedule; updates are added to the parameters.
"""

from cnn_history.optimizers.learning_rate import applied_rate, scale_by_rate
from cnn_history.optimizers.momentum import momentum
from cnn_history.optimizers.sgd import sgd

OPTIMIZERS = {"sgd": sgd, "momentum": momentum}

__all__ = ["OPTIMIZERS", "applied_rate", "momentum", "scale_by_rate", "sgd"]
