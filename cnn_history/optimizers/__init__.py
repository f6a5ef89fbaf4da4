"""Optimizers as optax transformations, one file a method.

`learning_rate` comes first, a number or a schedule; updates are added to the parameters.
"""

import optax

from cnn_history.optimizers.adagrad import adagrad, scale_by_adagrad
from cnn_history.optimizers.adam import adam
from cnn_history.optimizers.adam_uncorrected import adam_uncorrected, scale_by_adam_uncorrected
from cnn_history.optimizers.averaging import (
    averaged_params,
    exponential_average,
    polyak_average,
)
from cnn_history.optimizers.bfgs import bfgs
from cnn_history.optimizers.filter_norms import limit_filter_rms
from cnn_history.optimizers.kfac import kfac
from cnn_history.optimizers.l2 import add_l2
from cnn_history.optimizers.lars import lars
from cnn_history.optimizers.lbfgs import lbfgs
from cnn_history.optimizers.learning_rate import Rate, applied_rate, observe, scale_by_rate
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
    "bfgs": lambda learning_rate, largest_gb=4.0: bfgs(largest_gb),
    "lbfgs": lambda learning_rate, memory_size=10: lbfgs(memory_size),
    "kfac": kfac,
    "lars": lars,
}
# Those whose `update` takes `factors`, as `training/differentiate.with_factors` makes them.
TAKE_FACTORS = ("kfac",)
# Those that look at the loss of a batch, or its layers, beyond one gradient.
TAKE_BATCH = (*TAKE_FACTORS, "newton", "bfgs", "lbfgs")
# Those that take `weight_decay` and what is `decayed` themselves.
DECAY_THEMSELVES = ("lars",)

# What is evaluated in place of the newest parameters: transformations that keep an average of them.
AVERAGES = {
    "none": optax.identity,
    "exponential": exponential_average,
    "polyak": polyak_average,
}

__all__ = [
    "AVERAGES",
    "DECAY_THEMSELVES",
    "OPTIMIZERS",
    "TAKE_BATCH",
    "TAKE_FACTORS",
    "Rate",
    "adagrad",
    "adam",
    "adam_uncorrected",
    "add_l2",
    "applied_rate",
    "averaged_params",
    "bfgs",
    "exponential_average",
    "float32_state",
    "kfac",
    "lars",
    "lbfgs",
    "limit_filter_rms",
    "momentum",
    "nesterov",
    "newton",
    "observe",
    "polyak_average",
    "rmsprop",
    "scale_by_adagrad",
    "scale_by_adam_uncorrected",
    "scale_by_curvature",
    "scale_by_rate",
    "sgd",
    "stochastic_diagonal_lm",
]
