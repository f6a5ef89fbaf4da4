"""Trainable subsampling, the pooling of 1998."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers.pooling import window_sums


class TrainableSubsampling(nn.Module):
    """Sum of each 2x2 block, times a trainable coefficient, plus a trainable bias, per map.

    Source: LeCun et al. 1998, sec. II-B, layer S2, without the squashing function. `kernel_init`
    draws the coefficient with the unit's fan-in of 4.
    """

    kernel_init: Callable
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h / 2, w / 2, c]."""
        maps = x.shape[-1]

        def init(key, shape, dtype):
            return self.kernel_init(key, (2, 2, 1, *shape), dtype)[0, 0, 0]

        wide = jnp.promote_types(self.dtype, jnp.float32)  # gradients are summed in it too
        coefficient = self.param("coefficient", init, (maps,), wide)
        bias = self.param("bias", nn.initializers.zeros, (maps,), wide)
        sums = window_sums(x.astype(wide), (2, 2), (2, 2), ((0, 0), (0, 0)))
        return (coefficient * sums + bias).astype(self.dtype)
