"""Momentum, as Krizhevsky et al. 2012 write it."""

import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def momentum(learning_rate: Rate, decay: Share = 0.9) -> optax.GradientTransformationExtraArgs:
    r"""$v_{t+1} = \mu v_t - \epsilon_t g_t, \quad w_{t+1} = w_t + v_{t+1}$.

    The rate is inside the velocity, so that a drop of the rate acts on later gradients alone
    (Krizhevsky et al. 2012, sec. 5; Caffe). `optax.sgd` and PyTorch keep it outside,
    $w_{t+1} = w_t - \epsilon_t v_{t+1}$, and shrink the old velocity too; at a constant rate both
    are the same.

    Args:
      learning_rate: ε, a number or a schedule.
      decay: μ, the share of the velocity that stays.
    """
    return float32_state(optax.chain(scale_by_rate(learning_rate), optax.trace(decay)))
