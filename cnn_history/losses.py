"""Losses: (logits [n, classes], labels int [n]) -> [n].

>>> import jax.numpy as jnp
>>> from cnn_history import losses
>>> loss = losses.smoothed_cross_entropy(epsilon=0.1)
>>> round(float(loss(jnp.zeros((2, 10)), jnp.array([3, 7]))[0]), 4)  # log 10, of equal logits
2.3026
"""

from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax

from cnn_history.choices import SHARE, checked


def cross_entropy():
    """Return the loss -log softmax(logits)[label]."""
    return optax.softmax_cross_entropy_with_integer_labels


@checked
def smoothed_cross_entropy(epsilon: Annotated[float, SHARE] = 0.1):
    """Cross-entropy with (1 - ε) of the label and ε of the uniform distribution over all classes.

    Source: Szegedy et al. 2015 (arXiv:1512.00567), sec. 7: ε = 0.1, u(k) = 1/K.
    Raises ValueError for an ε outside [0, 1).
    """

    def loss(logits, labels):
        scores = jax.nn.log_softmax(logits)
        return (1 - epsilon) * _right_class(scores, labels) - epsilon * scores.mean(-1)

    return loss


def rbf_mse():
    """The penalty of the right class (LeCun et al. 1998, eq. 8); logits are minus the penalties.

    Nothing pushes wrong classes away: the loss relies on fixed codes that differ.
    """
    return _right_class


def rbf_map(j: float = 1.0):
    """y_right + log(exp(-j) + Σ_i exp(-y_i)) (LeCun et al. 1998, eq. 9), y being minus the logits.

    The paper does not give the positive constant j. With a larger j, penalties that are already
    large are pushed up further.
    """

    def loss(logits, labels):
        rubbish = jnp.full((*logits.shape[:-1], 1), -j, logits.dtype)
        everything = jnp.concatenate([rubbish, logits], axis=-1)
        return _right_class(logits, labels) + jax.nn.logsumexp(everything, axis=-1)

    return loss


def _right_class(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]


LOSSES = {
    "cross_entropy": cross_entropy,
    "smoothed_cross_entropy": smoothed_cross_entropy,
    "rbf_mse": rbf_mse,
    "rbf_map": rbf_map,
}


def of_main(made: Any) -> jax.Array:
    """Return the logits of the main classifier of `logits` or `(logits, heads)`."""
    return made[0] if isinstance(made, tuple) else made


def with_heads(loss: Callable, weight: float) -> Callable:
    """Return the loss that adds `weight` times that of each auxiliary head.

    It takes `(logits, (logits of a head, ...))` as well as logits alone (Szegedy et al. 2014,
    sec. 5: weight 0.3).
    """

    def total(made, labels):
        logits, heads = made if isinstance(made, tuple) else (made, ())
        return loss(logits, labels) + weight * sum(loss(head, labels) for head in heads)

    return total
