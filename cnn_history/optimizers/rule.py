"""What rules are made with: a rate that the state tells, and state in float32."""

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


def schedule_state(learning_rate: Rate) -> PlateauState | tuple[()]:
    """Return what a schedule remembers before it has seen anything."""
    return learning_rate.init() if isinstance(learning_rate, Plateau) else ()


def rate_at(learning_rate: Rate, count: jax.Array, schedule: PlateauState | tuple[()]) -> jax.Array:
    """Return the rate after `count` updates, float32, or float64 where jax has it enabled."""
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
      learning_rate: what the optimizer was made with; all but `schedules.plateau` look away.
      state: of the optimizer.
      error: the lower, the better.
    """
    if not isinstance(learning_rate, Plateau):
        return state
    seen = learning_rate.observe(optax.tree.get(state, "schedule"), error)
    return optax.tree.set(state, schedule=seen)


def float32_state(rule: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Let `rule` see parameters and gradients in float32, float64 ones as they are.

    Its state and its updates are float32 then, and `optax.apply_updates` adds them in float32
    before it rounds to the parameters' type: squares of bfloat16 gradients keep their digits, and
    averages move by less than the 2^-8 that bfloat16 can see.
    """
    rule = optax.with_extra_args_support(rule)

    def update(updates, state, params=None, **extra):
        return rule.update(widened(updates), state, widened(params), **extra)

    return optax.GradientTransformationExtraArgs(lambda params: rule.init(widened(params)), update)


def widened(tree: Any) -> Any:
    """Return a tree in float32, or wider as it is."""

    def widen(leaf):
        return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32))

    return jax.tree.map(widen, tree)
