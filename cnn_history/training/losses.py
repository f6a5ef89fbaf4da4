"""Losses: (logits [n, classes], labels int [n]) -> [n]."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy():
    """-log softmax(logits)[label]."""
    return optax.softmax_cross_entropy_with_integer_labels


def rbf_mse():
    """The penalty of the right class (LeCun et al. 1998, eq. 8); logits are minus the penalties.

    Nothing pushes wrong classes away: it relies on the codes being fixed, and apart.
    """
    return _right_class


def rbf_map(j: float = 1.0):
    """y_right + log(exp(-j) + Σ_i exp(-y_i)) (LeCun et al. 1998, eq. 9), y being minus the logits.

    The paper leaves the positive constant j open; the larger it is, the longer penalties that are
    already large are still pushed up.
    """

    def loss(logits, labels):
        rubbish = jnp.full((*logits.shape[:-1], 1), -j, logits.dtype)
        everything = jnp.concatenate([rubbish, logits], axis=-1)
        return _right_class(logits, labels) + jax.nn.logsumexp(everything, axis=-1)

    return loss


def _right_class(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]


LOSSES = {"cross_entropy": cross_entropy, "rbf_mse": rbf_mse, "rbf_map": rbf_map}
