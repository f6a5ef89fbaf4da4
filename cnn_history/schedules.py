"""Learning-rate schedules: `step -> rate`, step counted from 0, as optax takes them.

Steps are updates of the parameters. A decay stated in epochs is converted by the caller.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

Schedule = Callable[[jax.typing.ArrayLike], jax.Array]


def constant(initial: float) -> Schedule:
    """Return the same rate at every step."""
    return lambda step: jnp.full(jnp.shape(step), initial)


def step_decay(initial: float, factor: float, every: int) -> Schedule:
    """a0 · factor^floor(t / every) (lecture, "step decay")."""
    return lambda step: initial * jnp.power(factor, jnp.floor_divide(step, every))


def exponential_decay(initial: float, k: float) -> Schedule:
    """a0 · exp(-k t) (lecture, "exponential decay")."""
    return lambda step: initial * jnp.exp(-k * jnp.asarray(step))


def inverse_time_decay(initial: float, k: float) -> Schedule:
    """a0 / (1 + k t) (lecture, "1/t decay")."""
    return lambda step: initial / (1 + k * jnp.asarray(step))


def polynomial_decay(initial: float, steps: int, power: float) -> Schedule:
    """a0 · (1 - t / steps)^power, and 0 from `steps` on (Caffe's "poly" policy)."""
    return lambda step: initial * jnp.power(1 - jnp.minimum(step, steps) / steps, power)


def piecewise(initial: float, factors: Mapping[int, float]) -> Schedule:
    """Multiply the current rate by a factor at each step of `{step: factor}`.

    He et al. 2015, sec. 4.2: `piecewise(0.1, {32_000: 0.1, 48_000: 0.1})`; step 32,000 is the
    first at the divided rate.
    """

    def schedule(step):
        rate = jnp.full(jnp.shape(step), initial)
        for boundary, factor in sorted(factors.items()):
            rate = jnp.where(jnp.asarray(step) >= boundary, rate * factor, rate)
        return rate

    return schedule


def warmup(schedule: Schedule, steps: int) -> Schedule:
    """Rise linearly from 0 to `schedule(steps)`, then follow `schedule` at the true step.

    Source: Goyal et al. 2017, sec. 2.2 ("gradual warmup"), from 0.
    """
    return lambda step: jnp.where(
        jnp.asarray(step) < steps, schedule(steps) * jnp.asarray(step) / steps, schedule(step)
    )
