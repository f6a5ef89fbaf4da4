"""Optimizers as optax transformations, one file a method.

`learning_rate` comes first, a number or a schedule; updates are added to the parameters.
"""

from cnn_history.optimizers.adagrad import adagrad, scale_by_adagrad
from cnn_history.optimizers.adam import adam
from cnn_history.optimizers.adam_uncorrected import adam_uncorrected, scale_by_adam_uncorrected
from cnn_history.optimizers.bfgs import bfgs
from cnn_history.optimizers.l2 import add_l2
from cnn_history.optimizers.lbfgs import lbfgs
from cnn_history.optimizers.learning_rate import applied_rate, scale_by_rate
from cnn_history.optimizers.momentum import momentum
from cnn_history.optimizers.nesterov import nesterov
from cnn_history.optimizers.newton import newton
from cnn_history.optimizers.precision import float32_state
from cnn_history.optimizers.rmsprop import rmsprop
from cnn_history.optimizers.sgd import sgd
from cnn_history.optimizers.stochastic_diagonal_lm import (
    scale_by_curvature,
    stochastic_diagonal_lm,
)

# (learning_rate, **options) -> rule; a line search finds the rate itself, whatever is given
OPTIMIZERS = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam_uncorrected": adam_uncorrected,
    "adam": adam,
    "stochastic_diagonal_lm": stochastic_diagonal_lm,
    "newton": newton,
    "bfgs": lambda learning_rate, **options: bfgs(**options),
    "lbfgs": lambda learning_rate, **options: lbfgs(**options),
}

__all__ = [
    "OPTIMIZERS",
    "adagrad",
    "adam",
    "adam_uncorrected",
    "add_l2",
    "applied_rate",
    "bfgs",
    "float32_state",
    "lbfgs",
    "momentum",
    "nesterov",
    "newton",
    "rmsprop",
    "scale_by_adagrad",
    "scale_by_adam_uncorrected",
    "scale_by_curvature",
    "scale_by_rate",
    "sgd",
    "stochastic_diagonal_lm",
]
