"""Convolution, normalization, activation: the unit of the Inception networks."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.network import normalize, typed

KERNEL_INIT = initializers.he("fan_in")  # if a paper states none


@dataclasses.dataclass(frozen=True)
class ConvUnit:
    """Adds units of one kind to the module that calls it.

    A convolution has a bias only if no normalization, called `NAME_norm`, follows.

    Attributes:
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = KERNEL_INIT
    bias_init: Callable = nn.initializers.zeros
    norm: Callable | None = None
    activation: Callable = nn.relu

    def __call__(
        self,
        x: jax.Array,
        features: int,
        window: tuple[int, int],
        name: str,
        strides: int = 1,
        padding: tuple[int, int] | None = None,
        *,
        train: bool,
    ) -> jax.Array:
        """[n, h, w, c] -> [n, h', w', features]; `padding` None means k // 2 on every side.

        That keeps the size at stride 1, and halves it, rounded up, at stride 2.
        """
        if padding is None:
            padding = (window[0] // 2, window[1] // 2)
        x = layers.Conv(
            features,
            window,
            (strides, strides),
            padding=padding,
            use_bias=self.norm is None,
            bias_init=self.bias_init,
            name=name,
            **typed(self),
        )(x)
        return self.activation(normalize(self, x, train, f"{name}_norm"))
