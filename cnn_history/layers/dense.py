"""A fully-connected layer on the last axis."""

from typing import Any

import flax.linen as nn
import jax

from cnn_history.layers.bias import call_of, promote_all_but_bias


class Dense(nn.Dense):
    """`flax.linen.Dense` that adds its bias in the dtype of parameters."""

    promote_dtype: Any = promote_all_but_bias

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., c] -> [..., f]."""
        y = call_of(nn.Dense)(self, x)
        return y.astype(self.dtype or y.dtype)
