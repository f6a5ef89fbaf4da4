"""The learning rate as the last factor of an update, readable from the state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Rate = float | Callable[[jax.Array], jax.Array]


class RateState(NamedTuple):
    """Number of updates made, and the rate of the last one (of the first, before it)."""

    count: jax.Array
    learning_rate: jax.Array


def scale_by_rate(learning_rate: Rate) -> optax.GradientTransformation:
    r"""Multiply by minus the rate: $u \leftarrow -\epsilon_t u$."""

    def rate(count):
        value = learning_rate(count) if callable(learning_rate) else learning_rate
        return jnp.asarray(value, jnp.float32)

    def init(params):
        del params
        count = jnp.zeros((), jnp.int32)
        return RateState(count, rate(count))

    def update(updates, state, params=None):
        del params
        now = rate(state.count)
        updates = jax.tree.map(lambda u: -now.astype(u.dtype) * u, updates)
        return updates, RateState(optax.safe_increment(state.count), now)

    return optax.GradientTransformation(init, update)


def applied_rate(state: Any) -> jax.Array:
    """Return the rate of the last update from an optimizer's state."""
    return optax.tree.get(state, "learning_rate")
