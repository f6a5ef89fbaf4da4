"""Averages of the parameters, kept in the optimizer's state for evaluation.

An average is the last transformation of a chain: it sees the final update and does not change it.
Averages are in float32, or wider if the parameters are.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_history.choices import Count, Share
from cnn_history.optimizers.rule import widened


class AverageState(NamedTuple):
    """Number of updates made, and the average, of the parameters' shapes."""

    count: jax.Array
    averaged_params: Any


def exponential_average(decay: Share = 0.9999, ramp: bool = False) -> optax.GradientTransformation:
    r"""$\bar w_{t+1} = d \, \bar w_t + (1 - d) \, w_{t+1}$, starting from the initial parameters.

    "A running average of the parameters computed over time" (Szegedy et al. 2015, sec. 8). The
    paper does not state d; TensorFlow's programs for that network use 0.9999.

    Args:
      decay: d. After n updates, the initial parameters have weight $d^n$: a third for n = 10,000.
      ramp: whether d rises as $\min(d, (1 + n) / (10 + n))$ after n updates, which soon forgets
        the initial parameters. This is `num_updates` of TensorFlow's `ExponentialMovingAverage`,
        as in the release of Inception-v3 (`inception_train.py`). n excludes the current update.
    """

    def share(count):
        risen = (1 + count) / (10 + count) if ramp else 1
        return jnp.asarray(1 - jnp.minimum(decay, risen), float)

    return _average(share)


def polyak_average(start: Count = 0) -> optax.GradientTransformation:
    r"""$\bar w$, the mean of the parameters after each update except the first `start`.

    Polyak & Juditsky 1992; Szegedy et al. 2014, sec. 6, use it for GoogLeNet. Up to `start`, the
    result is the newest parameters.
    """
    return _average(lambda count: 1 / jnp.maximum(count + 1 - start, 1).astype(float))


def averaged_params(state: Any) -> Any:
    """Return the average in an optimizer's state, or None."""
    return optax.tree.get(state, "averaged_params")


def _average(share: Callable[[jax.Array], jax.Array]) -> optax.GradientTransformation:
    """Move the average towards the newest parameters by share(number of updates before)."""

    def init(params):
        return AverageState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.copy, widened(params)))

    def update(updates, state, params):
        part = share(state.count)
        average = jax.tree.map(
            lambda old, new: old + part.astype(old.dtype) * (new.astype(old.dtype) - old),
            state.averaged_params,
            optax.apply_updates(params, updates),
        )
        return updates, AverageState(optax.safe_increment(state.count), average)

    return optax.GradientTransformation(init, update)
