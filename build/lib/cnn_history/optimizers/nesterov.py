"""Nesterov's accelerated gradient."""

import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def nesterov(learning_rate: Rate, decay: Share = 0.9) -> optax.GradientTransformationExtraArgs:
    r"""$v_{t+1} = \mu v_t - \epsilon_t g_t, \quad w_{t+1} = w_t + v_{t+1} + \mu (v_{t+1} - v_t)$.

    Nesterov 1983 as Sutskever et al. 2013, eq. 3-4, write it, with the gradient taken at
    $\theta_t + \mu v_t$, and with that point named w, as the lecture does, so that the gradient is
    taken where the parameters are. The rate is inside the velocity, as in `momentum`;
    `optax.sgd(nesterov=True)` and PyTorch keep it outside, and agree at a constant rate.

    Args:
      learning_rate: ε, a number or a schedule.
      decay: μ, the share of the velocity that stays.
    """
    return float32_state(
        optax.chain(scale_by_rate(learning_rate), optax.trace(decay, nesterov=True))
    )
