"""A fully-connected layer that larger images can slide over."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers.bias import add_bias
from cnn_history.layers.convolution import convolve


class FullyConnected(nn.Module):
    """The first fully-connected layer of a classifier, stored as a convolution `[k, k, c, f]`.

    At the network's own image size it is the paper's matrix product. On larger images it gives one
    output per position (LeCun et al. 1998, sec. VII; Simonyan & Zisserman 2014, sec. 3.2). Its
    kernel is initialized like the paper's matrix, [k·k·c, f]: fan_out is f.

    Attributes:
      features: f, the number of units.
      window: (k, k), the size of the input that the paper flattens.
    """

    features: int
    window: tuple[int, int]
    kernel_init: Callable
    bias_init: Callable = nn.initializers.zeros
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h - k + 1, w - k + 1, f]."""
        param_dtype = jnp.promote_types(self.dtype, jnp.float32)
        shape = (*self.window, x.shape[-1], self.features)

        def init(key, shape, dtype):
            return self.kernel_init(key, (math.prod(shape[:-1]), shape[-1]), dtype).reshape(shape)

        kernel = self.param("kernel", init, shape, param_dtype).astype(self.dtype)
        bias = self.param("bias", self.bias_init, (self.features,), param_dtype)
        x = x.astype(self.dtype)
        if x.shape[1:3] == self.window:  # one position: a matrix product is equivalent and faster
            y = x.reshape(x.shape[0], -1) @ kernel.reshape(-1, self.features)
            y = y[:, None, None, :]
        else:
            y = convolve(x, kernel, (1, 1), "VALID")
        return add_bias(y, bias)
