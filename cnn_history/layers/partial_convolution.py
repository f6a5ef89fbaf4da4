"""A convolution in which each output map sees only some of the input maps."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.layers.bias import add_bias
from cnn_history.layers.convolution import convolve


class PartialConv(nn.Module):
    """Convolution whose output map j reads only the input maps `connections[j]`.

    Only existing filters are parameters: `kernel` is `[k, k, number of connections]`, in the order
    of `connections`. They are scattered into a full kernel of zeros, because one dense convolution
    is faster than sixteen small ones. Source: LeCun et al. 1998, sec. II-B and table I.

    Attributes:
      connections: for each output map, the input maps that it reads.
      window: (k, k).
    """

    connections: Sequence[Sequence[int]]
    window: tuple[int, int]
    kernel_init: Callable
    dtype: jnp.dtype = jnp.float32

    @property
    def columns(self) -> tuple[int, ...]:
        """Return the output map of each column of the kernel [k, k, columns]."""
        return tuple(j for j, inputs in enumerate(self.connections) for _ in inputs)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h - k + 1, w - k + 1, len(connections)]; no padding."""
        maps = len(self.connections)

        def init(key, shape, dtype):
            del shape  # each map is drawn separately: fan-in is the unit's, not the layer's
            keys = jax.random.split(key, maps)
            filters = [
                self.kernel_init(k, (*self.window, len(inputs), 1), dtype)[..., 0]
                for k, inputs in zip(keys, self.connections, strict=True)
            ]
            return jnp.concatenate(filters, axis=-1)

        param_dtype = jnp.promote_types(self.dtype, jnp.float32)
        inputs = np.concatenate([np.asarray(i) for i in self.connections])
        filters = self.param("kernel", init, (*self.window, len(inputs)), param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (maps,), param_dtype)

        kernel = jnp.zeros((*self.window, x.shape[-1], maps), self.dtype)
        kernel = kernel.at[:, :, inputs, np.asarray(self.columns)].set(filters.astype(self.dtype))
        y = convolve(x.astype(self.dtype), kernel, (1, 1), "VALID")
        return add_bias(y, bias)
