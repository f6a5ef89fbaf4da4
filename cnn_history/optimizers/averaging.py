"""Averages of the parameters, kept in the optimizer's state and evaluated in their place.

The last transformation of a chain: it sees what the others have made of the update, and passes it
on as it is. The average is kept in float32, or wider as the parameters are.
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
    r"""$\bar w_{t+1} = d \, \bar w_t + (1 - d) \, w_{t+1}$, from the first parameters on.

    "A running average of the parameters computed over time" (Szegedy et al. 2015, sec. 8), which
    does not state d; 0.9999 is that of TensorFlow's programs for that network.

    Args:
      decay: d. The first parameters keep the share $d^n$ after n updates: of 10,000 a third.
      ramp: whether it rises, $\min(d, (1 + n) / (10 + n))$ after n updates, so that they are soon
        forgotten: `num_updates` of TensorFlow's `ExponentialMovingAverage`, which the release of
        Inception-v3 gives (`inception_train.py`). The update itself is not among the n.
    """

    def share(count):
        risen = (1 + count) / (10 + count) if ramp else 1
        return jnp.asarray(1 - jnp.minimum(decay, risen), float)

    return _average(share)


def polyak_average(start: Count = 0) -> optax.GradientTransformation:
    r"""$\bar w$, the mean of the parameters after each update but the first `start`.

    Polyak & Juditsky 1992, which is the averaging that Szegedy et al. 2014, sec. 6, name for
    GoogLeNet. Before `start` it is the newest parameters.
    """
    return _average(lambda count: 1 / jnp.maximum(count + 1 - start, 1).astype(float))


def averaged_params(state: Any) -> Any:
    """Return the average in an optimizer's state; None where it keeps none."""
    return optax.tree.get(state, "averaged_params")


def _average(share: Callable[[jax.Array], jax.Array]) -> optax.GradientTransformation:
    """Move the average to the newest parameters by `share` of the way: updates before -> share."""

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
