"""Local response normalization (Krizhevsky et al. 2012, sec. 3.3)."""

from typing import Annotated

import jax
import jax.numpy as jnp

from cnn_history.choices import NOT_NEGATIVE
from cnn_history.layers import forms
from cnn_history.layers.norm import Norm


@forms.replaceable
def local_response_norm(
    x: jax.Array, k: float = 2.0, n: int = 5, alpha: float = 1e-4, beta: float = 0.75
) -> jax.Array:
    """[..., c] -> [..., c]: a_i / (k + alpha · Σ_j a_j²)^beta over the n maps around i.

    The paper does not divide the sum by n. Caffe's and torch's layers divide alpha by n (pass
    `alpha=alpha / n`) and have k = 1 by default.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    sums = sums_over_maps(jnp.square(wide), n)
    base = k + alpha * sums
    if beta == 0.75:  # on a CPU 3 to 5 times faster than a power
        return (wide * jax.lax.rsqrt(base * jnp.sqrt(base))).astype(x.dtype)
    return (wide / base**beta).astype(x.dtype)


@forms.replaceable
def sums_over_maps(x: jax.Array, n: int) -> jax.Array:
    """[..., c] -> [..., c]: the sum over the n maps around each map."""
    window = (1,) * (x.ndim - 1) + (n,)
    padding = ((0, 0),) * (x.ndim - 1) + ((n // 2, (n - 1) // 2),)
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, (1,) * x.ndim, padding)


class LocalResponseNorm(Norm):
    """`local_response_norm` as a named layer, with the paper's constants.

    It has the interface of batch normalization, so that either can replace the other.

    Attributes:
      dtype: of the output; None keeps that of the input.
    """

    k: float = 2.0
    n: int = 5
    alpha: Annotated[float, NOT_NEGATIVE] = 1e-4
    beta: Annotated[float, NOT_NEGATIVE] = 0.75
    dtype: jnp.dtype | None = None

    def __call__(self, x: jax.Array, use_running_average: bool = True) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, c]."""
        del use_running_average  # there are no statistics: every image is normalized by itself
        x = x.astype(self.dtype or x.dtype)
        return local_response_norm(x, self.k, self.n, self.alpha, self.beta)
