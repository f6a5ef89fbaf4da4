"""RMSProp in the lecture's form."""

import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def rmsprop(
    learning_rate: Rate, decay: Share = 0.9, eps: float = 1e-7
) -> optax.GradientTransformationExtraArgs:
    r"""$s_{t+1} = \rho s_t + (1 - \rho) g_t^2, \quad
    w_{t+1} = w_t - \epsilon_t g_t / (\sqrt{s_{t+1}} + \delta)$, with $s_0 = 0$.

    Tieleman & Hinton 2012; lecture, "RMSProp": no correction for the start from 0, and δ outside
    the root. TensorFlow's RMSProp, which trained Inception-v3, has δ inside the root and starts the
    mean square from 1. In both, δ = 1 (Szegedy et al. 2015, sec. 8) keeps the denominator at 1 or
    more, so that steps are close to plain gradient descent while gradients are small.

    Args:
      learning_rate: ε, a number or a schedule.
      decay: ρ, the share of the mean square that stays.
      eps: δ.
    """
    scale = optax.scale_by_rms(decay, eps, initial_scale=0.0, eps_in_sqrt=False)
    return float32_state(optax.chain(scale, scale_by_rate(learning_rate)))
