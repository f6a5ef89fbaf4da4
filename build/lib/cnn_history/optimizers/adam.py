"""Adam with its bias correction."""

import optax

from cnn_history.choices import Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def adam(
    learning_rate: Rate, b1: Share = 0.9, b2: Share = 0.999, eps: float = 1e-7
) -> optax.GradientTransformationExtraArgs:
    r"""$w_t = w_{t-1} - \epsilon_t \hat m_t / (\sqrt{\hat v_t} + \delta)$, where
    $\hat m_t = m_t / (1 - \beta_1^t)$ and $\hat v_t = v_t / (1 - \beta_2^t)$, t from 1, and
    $m, v$ are those of `adam_uncorrected`.

    Kingma & Ba 2015, algorithm 1; lecture, "Adam (full form)". The paper's δ is 1e-8, the
    lecture's 1e-7.

    Args:
      learning_rate: ε, a number or a schedule.
      b1: β1, the share of the mean m that stays.
      b2: β2, the share of the mean square v that stays.
      eps: δ, outside the root.
    """
    scale = optax.scale_by_adam(b1, b2, eps)
    return float32_state(optax.chain(scale, scale_by_rate(learning_rate)))
