"""Optimizers as optax transformations, one file per method.

The first argument is `learning_rate`, a number or a schedule; updates are added to the parameters.
A new optimizer is a file and a line in OPTIMIZERS; its signature declares its options (`choices`).

    >>> import jax, jax.numpy as jnp, optax
    >>> from cnn_history import optimizers
    >>> rule = optimizers.momentum(0.1, decay=0.9)
    >>> w = jnp.array([1.0, -2.0])
    >>> updates, state = rule.update(2 * w, rule.init(w), w)  # the gradient of |w|^2
    >>> [round(float(it), 4) for it in optax.apply_updates(w, updates)]
    [0.8, -1.6]
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import optax

from cnn_history import choices
from cnn_history.optimizers.adagrad import adagrad
from cnn_history.optimizers.adam import adam
from cnn_history.optimizers.adam_uncorrected import adam_uncorrected
from cnn_history.optimizers.averaging import averaged_params, exponential_average, polyak_average
from cnn_history.optimizers.bfgs import bfgs
from cnn_history.optimizers.decoupled import add_decoupled_decay as add_decoupled_decay
from cnn_history.optimizers.filter_norms import limit_filter_rms as limit_filter_rms
from cnn_history.optimizers.kfac import kfac
from cnn_history.optimizers.l2 import add_l2 as add_l2
from cnn_history.optimizers.lars import lars
from cnn_history.optimizers.lbfgs import lbfgs
from cnn_history.optimizers.momentum import momentum
from cnn_history.optimizers.nesterov import nesterov
from cnn_history.optimizers.newton import newton
from cnn_history.optimizers.rmsprop import rmsprop
from cnn_history.optimizers.rule import Rate
from cnn_history.optimizers.rule import applied_rate as applied_rate
from cnn_history.optimizers.rule import observe as observe
from cnn_history.optimizers.sgd import sgd
from cnn_history.optimizers.stochastic_diagonal_lm import stochastic_diagonal_lm


class Rule(NamedTuple):
    """An optimizer that a config may choose.

    Attributes:
      make: (learning_rate, **options) -> transformation. If it takes `weight_decay` and `decayed`,
        its own formula includes L2.
      factors: whether `update` takes `factors` from `differentiate.with_factors`.
      curvature: whether `update` takes `curvature_fn`, the diagonal of `training.curvature`.
      whole_batch: whether it needs more than the gradient, and so a batch in one part.
      line_search: whether it searches for the length of its step; it takes no rate, and nothing
        may change the gradient before it or the step after it.
      rate_is: the meaning of the rate, in words, if it is not a plain factor of the gradient.
    """

    make: Callable[..., optax.GradientTransformation]
    factors: bool = False
    curvature: bool = False
    whole_batch: bool = False
    line_search: bool = False
    rate_is: str = ""

    def __call__(self, learning_rate: Rate, **options) -> optax.GradientTransformation:
        """Return the transformation, made with the arguments that `make` takes."""
        return choices.call(self.make, learning_rate=learning_rate, **options)


OPTIMIZERS = {
    "sgd": Rule(sgd),
    "momentum": Rule(momentum),
    "nesterov": Rule(nesterov),
    "adagrad": Rule(adagrad),
    "rmsprop": Rule(rmsprop),
    "adam_uncorrected": Rule(adam_uncorrected),
    "adam": Rule(adam),
    # The paper estimates once per pass, so the default for configs is many steps.
    "stochastic_diagonal_lm": Rule(
        functools.partial(stochastic_diagonal_lm, every=1000),
        curvature=True,
        rate_is="divided by mu plus the curvature of each weight",
    ),
    "newton": Rule(
        newton, whole_batch=True, rate_is="a share of the full Newton step, which 1 takes whole"
    ),
    "bfgs": Rule(bfgs, whole_batch=True, line_search=True),
    "lbfgs": Rule(lbfgs, whole_batch=True, line_search=True),
    "kfac": Rule(kfac, factors=True, whole_batch=True),
    "lars": Rule(
        lars, rate_is="multiplied by trust |w| / |g| of each layer, and so is often 1 to 30"
    ),
}

# Transformations that keep an average of the parameters, for evaluation.
AVERAGES = {
    "none": optax.identity,
    "exponential": exponential_average,
    "polyak": polyak_average,
}
# (params, opt_state) -> the parameters to evaluate
EVALUATED = {
    "newest": lambda params, opt_state: params,
    "averaged": lambda params, opt_state: averaged_params(opt_state),
}
# params -> a mask of the parameters with weight decay
DECAYED = {
    "all": lambda params: True,
    "kernels": lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
}
