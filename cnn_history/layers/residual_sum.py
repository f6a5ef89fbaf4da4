"""The sum that ends a residual block."""

from collections.abc import Callable

import jax

from cnn_history.layers import forms


@forms.replaceable
def residual_sum(
    y: jax.Array, shortcut: jax.Array, activation: Callable[[jax.Array], jax.Array] | None = None
) -> jax.Array:
    """[n, h, w, c] twice -> the same shape: y = F(x) + x, and the nonlinearity after the addition.

    Source: He et al. 2015, eq. (1) and (2) and sec. 3.2.
    """
    y = y + shortcut
    return y if activation is None else activation(y)
