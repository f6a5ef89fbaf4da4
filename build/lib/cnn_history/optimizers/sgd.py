"""Stochastic gradient descent."""

import optax

from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def sgd(learning_rate: Rate) -> optax.GradientTransformationExtraArgs:
    r"""$w_{t+1} = w_t - \epsilon_t g_t$ (Robbins & Monro 1951; lecture, "SGD")."""
    return float32_state(scale_by_rate(learning_rate))
