"""Learning-rate schedules: `step -> rate`, with steps counted from 0, as in optax.

Steps are updates of the parameters; callers convert decays that are stated in epochs. Only
`plateau` depends on more than the step, on the validation error.

    >>> from cnn_history import schedules
    >>> rate = schedules.step_decay(0.5, factor=0.5, every=30)
    >>> [float(rate(step)) for step in (0, 29, 30, 60)]
    [0.5, 0.5, 0.25, 0.125]
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from cnn_history.choices import COUNT, NOT_NEGATIVE, Count, NotNegative, Share, checked, several

Schedule = Callable[[jax.typing.ArrayLike], jax.Array]


def constant(initial: float) -> Schedule:
    """Return the same rate at every step."""
    return lambda step: jnp.full(jnp.shape(step), initial)


def step_decay(initial: float, factor: NotNegative = 0.1, every: int = 1000) -> Schedule:
    """a0 · factor^floor(t / every) (lecture, "step decay")."""
    return lambda step: initial * jnp.power(factor, jnp.floor_divide(step, every))


def exponential_decay(initial: float, k: NotNegative = 1e-4) -> Schedule:
    """a0 · exp(-k t) (lecture, "exponential decay")."""
    return lambda step: initial * jnp.exp(-k * jnp.asarray(step))


def inverse_time_decay(initial: float, k: NotNegative = 1e-4) -> Schedule:
    """a0 / (1 + k t) (lecture, "1/t decay")."""
    return lambda step: initial / (1 + k * jnp.asarray(step))


def polynomial_decay(initial: float, steps: int, power: NotNegative = 1.0) -> Schedule:
    """a0 · (1 - t / steps)^power, and 0 from `steps` on (Caffe's "poly" policy)."""

    def schedule(step):
        # When compiled, t / steps is t times a rounded 1 / steps, so that 1 - t / steps may be
        # negative at the end, with a root of NaN. The number of steps left is exact.
        left = jnp.maximum(steps - jnp.asarray(step), 0) / steps
        return initial * jnp.power(jnp.minimum(left, 1), power)

    return schedule


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


def piecewise_at(
    initial: float,
    steps: Annotated[tuple[int, ...], several(COUNT)] = (1000,),
    factors: Annotated[tuple[float, ...], several(NOT_NEGATIVE)] = (0.1,),
) -> Schedule:
    """Return `piecewise` from separate steps and factors, as in a config.

    Raises ValueError if their numbers differ or a step is repeated.
    """
    if len(steps) != len(factors):
        raise ValueError(f"piecewise has {len(steps)} steps, but {len(factors)} factors.")
    if len(set(steps)) < len(steps):
        raise ValueError(f"piecewise has a step twice, in {tuple(steps)}.")
    return piecewise(initial, dict(zip(steps, factors, strict=True)))


def warmup(schedule: "Schedule | Plateau", steps: int, start: float = 0.0) -> "Schedule | Plateau":
    """Rise linearly from `start` to `schedule(steps)`, then follow `schedule` at the true step.

    Source: Goyal et al. 2017, sec. 2.2 ("gradual warmup"), who start from the rate of one worker.
    """
    if isinstance(schedule, Plateau):
        return dataclasses.replace(schedule, schedule=warmup(schedule.schedule, steps, start))

    def rate(step):
        share = jnp.asarray(step) / steps
        rising = start + (schedule(steps) - start) * share
        return jnp.where(share < 1, rising, schedule(step))

    return rate


def linear_scaling(rate: float, of_batch: int, batch: int) -> float:
    """Scale a rate that suits batches of `of_batch` to batches of `batch`.

    Goyal et al. 2017, sec. 2.1: "when the minibatch size is multiplied by k, multiply the learning
    rate by k".
    """
    return rate * batch / of_batch


class PlateauState(NamedTuple):
    """The lowest error so far, the evaluations since, and the number of drops.

    During a cooldown, `waited` is negative.
    """

    lowest: jax.Array
    waited: jax.Array
    drops: jax.Array


@dataclasses.dataclass(frozen=True)
class Plateau:
    """A schedule multiplied by `factor` whenever the error has stopped improving.

    Attributes:
      schedule: step -> rate before any drop.
      factor, patience, drops, threshold, min_rate, cooldown: as those of `plateau`.
    """

    schedule: Schedule
    factor: float
    patience: int
    drops: int
    threshold: float = 0.0
    min_rate: float = 0.0
    cooldown: int = 0

    def init(self) -> PlateauState:
        """Return the state before the first evaluation."""
        zero = jnp.zeros((), jnp.int32)
        return PlateauState(jnp.asarray(jnp.inf, float), zero, zero)

    def rate(self, step: jax.typing.ArrayLike, state: PlateauState) -> jax.Array:
        """Return the rate of a step."""
        rate = self.schedule(step)
        least = jnp.minimum(self.min_rate, rate)  # never above the rate without drops
        return jnp.maximum(rate * jnp.power(self.factor, state.drops), least)

    def observe(self, state: PlateauState, error: jax.typing.ArrayLike) -> PlateauState:
        """Return the state after an evaluation that found `error`."""
        known = jnp.where(jnp.isinf(state.lowest), 0, jnp.abs(state.lowest))
        better = error < state.lowest - self.threshold * known
        cools = state.waited < 0
        waited = jnp.where(better & ~cools, 0, state.waited + 1)
        drop = (waited >= self.patience) & (state.drops < self.drops)
        return PlateauState(
            jnp.where(better, error, state.lowest).astype(state.lowest.dtype),
            jnp.where(drop, -self.cooldown, waited),
            state.drops + drop,
        )


@checked
def plateau(
    initial: float,
    factor: NotNegative = 0.1,
    patience: int = 3,
    drops: Count = 3,
    threshold: Share = 0.0,
    min_rate: NotNegative = 0.0,
    cooldown: Count = 0,
) -> Plateau:
    r"""Divide the rate "when the validation error rate stopped improving with the current" one.

    Krizhevsky et al. 2012, sec. 5, did so by hand, by a factor of 10, three times; likewise Zeiler
    & Fergus 2013, Simonyan & Zisserman 2014, He et al. 2015. None states a criterion. The reading
    here is `patience` evaluations in a row without a new lowest error.

    The optimizer keeps the state of such a schedule. `optimizers.observe` gives it the error.

    Other libraries count differently. For a constant error and the same `patience` p (otherwise
    their own defaults), the first drop is at this call:

    | | improvement | error 0.5 | error -1 |
    |---|---|---|---|
    | here | $e < b - t |b|$, t = 0 | p + 1 | p + 1 |
    | PyTorch's `ReduceLROnPlateau` | $e < b (1 - t)$, t = 1e-4 | p + 2 | never |
    | optax's `reduce_on_plateau` | $e < b (1 - t)$, t = 1e-4 | p + 1 | never |
    | Keras's `ReduceLROnPlateau` | $e < b - t$, t = 1e-4 | p + 1 | p + 1 |

    Args:
      initial: the rate before any drop.
      factor: factor of a drop.
      patience: number of evaluations in a row without a lower error before a drop.
      drops: most drops.
      threshold: t, the required improvement relative to the lowest error b.
      min_rate: lower limit for drops.
      cooldown: evaluations after a drop that do not count.

    Raises ValueError for an argument out of range, such as a patience below 1.
    """
    return Plateau(constant(initial), factor, patience, drops, threshold, min_rate, cooldown)


# The program supplies the initial rate, and the steps of the run if a schedule takes them.
SCHEDULES = {
    "constant": constant,
    "step_decay": step_decay,
    "exponential_decay": exponential_decay,
    "inverse_time_decay": inverse_time_decay,
    "polynomial_decay": polynomial_decay,
    "piecewise": piecewise_at,
    "plateau": plateau,
}
