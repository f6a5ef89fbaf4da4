"""Momentum in the form of Krizhevsky et al. 2012."""

import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def momentum(learning_rate: Rate, decay: Share = 0.9) -> optax.GradientTransformationExtraArgs:
    r"""$v_{t+1} = \mu v_t - \epsilon_t g_t, \quad w_{t+1} = w_t + v_{t+1}$.

    The rate is inside the velocity, so that a drop of the rate affects only later gradients
    (Krizhevsky et al. 2012, sec. 5; Caffe). In `optax.sgd` and PyTorch it is outside,
    $w_{t+1} = w_t - \epsilon_t v_{t+1}$, so that a drop also shrinks the effect of the old
    velocity. At a constant rate, both are equal.

    Args:
      learning_rate: ε, a number or a schedule.
      decay: μ, the share of the velocity that stays.
    """
    return float32_state(optax.chain(scale_by_rate(learning_rate), optax.trace(decay)))
