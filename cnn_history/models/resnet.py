"""Residual networks: He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition",
arXiv:1512.03385. The CIFAR-10 networks of sec. 4.2, residual and plain.
"""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.network import Network, check_size

# Sec. 4.2: 6n+2 layers, a 3x3 stem and n blocks of two 3x3 convolutions at each of three sizes.
CIFAR_FEATURES = (16, 32, 64)
CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)
CIFAR_PLAIN_DEPTHS = (20, 32, 44, 56)

SHORTCUTS = ("A", "B", "C")  # sec. 3.3 and table 3
SMALLEST = 4  # two halvings


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and the shortcut where `shortcut` is not None (fig. 5, left).

    A shortcut is the identity where shapes agree. Else option A takes every second position and
    fills the missing channels with zeros, half of them before and half behind (the paper does not
    say where; the order of channels changes nothing that the network can compute), and B projects
    by a 1x1 convolution; C projects always.
    """

    features: int
    strides: int
    shortcut: str | None
    conv: Callable
    norm: Callable
    activation: Callable

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h / strides, w / strides, features]."""
        strides = (self.strides, self.strides)
        y = self.conv(self.features, (3, 3), strides, padding=1, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y))
        y = self.conv(self.features, (3, 3), padding=1, name="conv2")(y)
        y = self.norm(name="norm2")(y)
        if self.shortcut is None:
            return self.activation(y)

        if self.shortcut == "C" or (self.shortcut == "B" and x.shape != y.shape):
            x = self.conv(self.features, (1, 1), strides, padding=0, name="conv_shortcut")(x)
            x = self.norm(name="norm_shortcut")(x)
        elif x.shape != y.shape:
            missing = self.features - x.shape[-1]
            x = x[:, :: self.strides, :: self.strides]
            x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
        return self.activation(y + x)


class CifarResNet(nn.Module):
    """The networks of sec. 4.2 for 32x32 images; `shortcut=None` makes the plain ones.

    Convolutions have a bias only where no normalization follows. Readings: kernels are drawn by
    He et al. 2015's eq. (10), fan-in (the paper cites it without saying which); the classifier too.

    Attributes:
      blocks: n, for 6n+2 layers.
      shortcut: A (the paper's here), B or C; None for a plain net.
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    blocks: int
    shortcut: str | None = "A"
    num_classes: int = 10
    features: Sequence[int] = CIFAR_FEATURES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.he("fan_in")
    norm: Callable | None = layers.BatchNorm
    activation: Callable = nn.relu

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, num_classes], float32 or wider; updates `batch_stats`.

        Raises ValueError for an unknown shortcut.
        """
        if self.shortcut not in (*SHORTCUTS, None):
            raise ValueError(f"shortcut is one of {', '.join(SHORTCUTS)}, not '{self.shortcut}'.")
        check_size(images, SMALLEST, "a CIFAR residual network")
        param_dtype = jnp.promote_types(self.dtype, jnp.float32)
        typed = {"kernel_init": self.kernel_init, "dtype": self.dtype, "param_dtype": param_dtype}
        conv = functools.partial(nn.Conv, use_bias=self.norm is None, **typed)

        def norm(name):
            if self.norm is None:
                return lambda x: x
            layer = self.norm(name=name, dtype=self.dtype)
            return functools.partial(layer, use_running_average=not train)

        block = functools.partial(
            BasicBlock, shortcut=self.shortcut, conv=conv, norm=norm, activation=self.activation
        )
        x = conv(self.features[0], (3, 3), padding=1, name="conv1")(images)
        x = self.activation(norm(name="norm1")(x))
        for stage, features in enumerate(self.features):
            for i in range(self.blocks):
                strides = 2 if stage > 0 and i == 0 else 1
                x = block(features, strides, name=f"conv{stage + 2}_{i + 1}")(x)
        x = layers.GlobalAvgPool(name="pool")(x)
        logits = nn.Dense(self.num_classes, name="fc", **typed)(x)
        return logits.astype(param_dtype)


def cifar(depth: int, **options) -> Network:
    """Return the network of 6n+2 = `depth` layers."""
    build = functools.partial(CifarResNet, blocks=(depth - 2) // 6, **options)
    return Network(build, "He et al. 2015, sec. 4.2", (32, 32, 3), 10)


NETWORKS = {
    **{f"resnet{depth}": cifar(depth) for depth in CIFAR_DEPTHS},
    **{f"plain{depth}": cifar(depth, shortcut=None) for depth in CIFAR_PLAIN_DEPTHS},
}
