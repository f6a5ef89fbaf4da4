"""AdaGrad in the lecture's form."""

import jax
import jax.numpy as jnp
import optax

from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def scale_by_adagrad(eps: float = 1e-7) -> optax.GradientTransformation:
    r"""$s_{t+1} = s_t + g_t^2, \quad u_t = g_t / (\sqrt{s_{t+1}} + \delta)$, with $s_0 = 0$."""

    def init(params):
        return optax.ScaleByRssState(sum_of_squares=optax.tree.zeros_like(params))

    def update(updates, state, params=None):
        sums = jax.tree.map(lambda s, g: s + jnp.square(g), state.sum_of_squares, updates)
        updates = jax.tree.map(lambda s, g: g / (jnp.sqrt(s) + eps), sums, updates)
        return updates, optax.ScaleByRssState(sums)

    return optax.GradientTransformation(init, update)


def adagrad(learning_rate: Rate, eps: float = 1e-7) -> optax.GradientTransformationExtraArgs:
    r"""$w_{t+1} = w_t - \epsilon_t g_t / (\sqrt{\sum_{i \le t} g_i^2} + \delta)$.

    Duchi et al. 2011; lecture, "AdaGrad": the sum starts from 0, and δ is outside the root.
    `optax.adagrad` starts from 0.1 and has δ inside.

    Args:
      learning_rate: ε, a number or a schedule.
      eps: δ.
    """
    return float32_state(optax.chain(scale_by_adagrad(eps), scale_by_rate(learning_rate)))
