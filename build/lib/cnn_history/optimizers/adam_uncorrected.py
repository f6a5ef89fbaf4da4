"""Adam without its bias correction: the lecture's "Adam (almost)"."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


class MomentsState(NamedTuple):
    """Running means of the gradient and of its square, of the parameters' shapes."""

    first: Any
    second: Any


def scale_by_adam_uncorrected(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-7
) -> optax.GradientTransformation:
    r"""$m \leftarrow \beta_1 m + (1 - \beta_1) g, \; v \leftarrow \beta_2 v + (1 - \beta_2) g^2,
    \; u = m / (\sqrt{v} + \delta)$, with $m = v = 0$ at the start.
    """

    def init(params):
        return MomentsState(*[optax.tree.zeros_like(params)] * 2)

    def update(updates, state, params=None):
        first = optax.tree.update_moment(updates, state.first, b1, 1)
        second = optax.tree.update_moment(updates, state.second, b2, 2)
        updates = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), first, second)
        return updates, MomentsState(first, second)

    return optax.GradientTransformation(init, update)


def adam_uncorrected(
    learning_rate: Rate, b1: Share = 0.9, b2: Share = 0.999, eps: float = 1e-7
) -> optax.GradientTransformationExtraArgs:
    r"""$w_{t+1} = w_t - \epsilon_t m_{t+1} / (\sqrt{v_{t+1}} + \delta)$.

    Lecture, "Adam (almost)". Its first step is $(1 - \beta_1) / \sqrt{1 - \beta_2}$ = 3.16 rates
    long, since v starts further below the mean square than m below the mean; `adam` corrects it.

    Args:
      learning_rate: ε, a number or a schedule.
      b1: β1, the share of the mean m that stays.
      b2: β2, the share of the mean square v that stays.
      eps: δ, outside the root.
    """
    scale = scale_by_adam_uncorrected(b1, b2, eps)
    return float32_state(optax.chain(scale, scale_by_rate(learning_rate)))
