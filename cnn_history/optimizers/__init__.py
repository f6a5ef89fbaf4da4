"""Optimizers as optax transformations, one file a method.

`learning_rate` comes first, a number or a schedule; updates are added to the parameters.
"""

from cnn_history.optimizers.adagrad import adagrad, scale_by_adagrad
from cnn_history.optimizers.adam import adam
from cnn_history.optimizers.adam_uncorrected import adam_uncorrected, scale_by_adam_uncorrected
from cnn_history.optimizers.learning_rate import applied_rate, scale_by_rate
from cnn_history.optimizers.momentum import momentum
from cnn_history.optimizers.nesterov import nesterov
from cnn_history.optimizers.precision import float32_state
from cnn_history.optimizers.rmsprop import rmsprop
from cnn_history.optimizers.sgd import sgd
from cnn_history.optimizers.stochastic_diagonal_lm import (
    scale_by_curvature,
    stochastic_diagonal_lm,
)

OPTIMIZERS = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam_uncorrected": adam_uncorrected,
    "adam": adam,
    "stochastic_diagonal_lm": stochastic_diagonal_lm,
}

__all__ = [
    "OPTIMIZERS",
    "adagrad",
    "adam",
    "adam_uncorrected",
    "applied_rate",
    "float32_state",
    "momentum",
    "nesterov",
    "rmsprop",
    "scale_by_adagrad",
    "scale_by_adam_uncorrected",
    "scale_by_curvature",
    "scale_by_rate",
    "sgd",
    "stochastic_diagonal_lm",
]
