"""Nesterov's accelerated gradient."""

import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def nesterov(learning_rate: Rate, decay: Share = 0.9) -> optax.GradientTransformationExtraArgs:
    r"""$v_{t+1} = \mu v_t - \epsilon_t g_t, \quad w_{t+1} = w_t + v_{t+1} + \mu (v_{t+1} - v_t)$.

    Nesterov 1983 in the form of Sutskever et al. 2013, eq. 3-4, whose gradient is at
    $\theta_t + \mu v_t$. As in the lecture, this point is named w, so that the gradient is at the
    parameters. The rate is inside the velocity, as in `momentum`. In `optax.sgd(nesterov=True)`
    and PyTorch it is outside; at a constant rate all agree.

    Args:
      learning_rate: ε, a number or a schedule.
      decay: μ, the share of the velocity that stays.
    """
    return float32_state(
        optax.chain(scale_by_rate(learning_rate), optax.trace(decay, nesterov=True))
    )
