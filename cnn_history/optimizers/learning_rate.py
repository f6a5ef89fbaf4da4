"""The learning rate as the last factor of an update, readable from the state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_history.schedules import Plateau, PlateauState

Rate = float | Callable[[jax.Array], jax.Array] | Plateau


class RateState(NamedTuple):
    """Number of updates made, and the rate of the last one (of the first, before it).

    `schedule` is what a schedule with a state remembers; others leave it empty.
    """

    count: jax.Array
    learning_rate: jax.Array
    schedule: PlateauState | tuple[()] = ()


def scale_by_rate(learning_rate: Rate) -> optax.GradientTransformation:
    r"""Multiply by minus the rate: $u \leftarrow -\epsilon_t u$."""

    def rate(count, schedule):
        if isinstance(learning_rate, Plateau):
            value = learning_rate.rate(count, schedule)
        else:
            value = learning_rate(count) if callable(learning_rate) else learning_rate
        return jnp.asarray(value, float)  # float32, or float64 where jax has it enabled

    def init(params):
        del params
        count = jnp.zeros((), jnp.int32)
        schedule = learning_rate.init() if isinstance(learning_rate, Plateau) else ()
        return RateState(count, rate(count, schedule), schedule)

    def update(updates, state, params=None):
        del params
        now = rate(state.count, state.schedule)
        updates = jax.tree.map(lambda u: -now.astype(u.dtype) * u, updates)
        return updates, RateState(optax.safe_increment(state.count), now, state.schedule)

    return optax.GradientTransformation(init, update)


def applied_rate(state: Any) -> jax.Array:
    """Return the rate of the last update from an optimizer's state."""
    return optax.tree.get(state, "learning_rate")


def observe(learning_rate: Rate, state: Any, error: jax.typing.ArrayLike) -> Any:
    """Return an optimizer's state after its schedule has seen a validation error.

    Args:
      learning_rate: what the optimizer was made with; all but `schedules.plateau` look away.
      state: of the optimizer.
      error: the lower, the better.
    """
    if not isinstance(learning_rate, Plateau):
        return state

    def see(node):
        return learning_rate.observe(node, error) if isinstance(node, PlateauState) else node

    return jax.tree.map(see, state, is_leaf=lambda node: isinstance(node, PlateauState))
