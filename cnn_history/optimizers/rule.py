"""Parts of all rules: a learning rate that is kept in the state, and state in float32."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_history.schedules import Plateau, PlateauState

Rate = float | Callable[[jax.Array], jax.Array] | Plateau


class RateState(NamedTuple):
    """Number of updates, and the rate of the last one (before any update, of the first).

    `schedule` is the state of a schedule that has one, otherwise empty.
    """

    count: jax.Array
    learning_rate: jax.Array
    schedule: PlateauState | tuple[()] = ()


def schedule_state(learning_rate: Rate) -> PlateauState | tuple[()]:
    """Return the initial state of a schedule; empty if it has none."""
    return learning_rate.init() if isinstance(learning_rate, Plateau) else ()


def rate_at(learning_rate: Rate, count: jax.Array, schedule: PlateauState | tuple[()]) -> jax.Array:
    """Return the rate after `count` updates, in float32, or float64 if jax has it enabled."""
    if isinstance(learning_rate, Plateau):
        return jnp.asarray(learning_rate.rate(count, schedule), float)
    return jnp.asarray(learning_rate(count) if callable(learning_rate) else learning_rate, float)


def scale_by_rate(learning_rate: Rate) -> optax.GradientTransformation:
    r"""Multiply by minus the rate: $u \leftarrow -\epsilon_t u$."""

    def init(params):
        count, schedule = jnp.zeros((), jnp.int32), schedule_state(learning_rate)
        return RateState(count, rate_at(learning_rate, count, schedule), schedule)

    def update(updates, state, params=None):
        now = rate_at(learning_rate, state.count, state.schedule)
        updates = jax.tree.map(lambda u: -now.astype(u.dtype) * u, updates)
        return updates, RateState(optax.safe_increment(state.count), now, state.schedule)

    return optax.GradientTransformation(init, update)


def applied_rate(state: Any) -> jax.Array:
    """Return the rate of the last update from an optimizer's state."""
    return optax.tree.get(state, "learning_rate")


def observe(learning_rate: Rate, state: Any, error: jax.typing.ArrayLike) -> Any:
    """Return an optimizer's state after its schedule has seen a validation error.

    Args:
      learning_rate: the optimizer's rate; only `schedules.plateau` uses the error.
      state: the optimizer's state.
      error: a validation error, better if lower.
    """
    if not isinstance(learning_rate, Plateau):
        return state
    seen = learning_rate.observe(optax.tree.get(state, "schedule"), error)
    return optax.tree.set(state, schedule=seen)


def float32_state(rule: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Give `rule` parameters and gradients in float32, or in float64 if they are.

    Its state and updates are then float32, and `optax.apply_updates` adds in float32 before
    rounding to the parameters' type. So squares of bfloat16 gradients keep their digits, and
    averages can change by less than bfloat16's 2^-8.
    """
    rule = optax.with_extra_args_support(rule)

    def update(updates, state, params=None, **extra):
        return rule.update(widened(updates), state, widened(params), **extra)

    return optax.GradientTransformationExtraArgs(lambda params: rule.init(widened(params)), update)


def widened(tree: Any) -> Any:
    """Return a tree with its leaves in float32; wider ones stay as they are."""

    def widen(leaf):
        return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32))

    return jax.tree.map(widen, tree)
