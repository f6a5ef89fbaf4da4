"""Residual networks: He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition",
arXiv:1512.03385. The ImageNet networks of table 1 and the CIFAR-10 networks of sec. 4.2, residual
and plain.

`resnet50_v1_5` and the like are torchvision's version: a bottleneck halves the image in its 3x3
convolution, not in its first 1x1 as published. Networks of 18 and 34 layers have no bottlenecks, so
both names mean the same network.

Readings: all kernels, the classifier's too, are drawn by He et al. 2015's eq. (10) with fan-in (the
paper cites it without naming the mode). Convolutions have a bias only without normalization.

Caffe's releases of ResNet-50, 101 and 152 are v1 with two differences. Their pool1 has no padding
and rounds up, so its windows begin one pixel later; without `ceil_pool1` logits are 1.8 % off. Some
copies of ResNet-50 have a bias in conv1; an import folds it into the mean of the next norm.
"""

import functools
from collections.abc import Callable, Sequence
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.network import Classifier, Network, check_size, normalize, typed, wide
from cnn_history.models.stage import stage
from cnn_history.papers import HE_2015, Place

# Table 1: blocks in conv2_x, conv3_x, conv4_x, conv5_x, and the maps of their 3x3 convolutions.
IMAGENET_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
IMAGENET_FEATURES = (64, 128, 256, 512)
BOTTLENECK_DEPTHS = (50, 101, 152)
EXPANSION = 4  # a bottleneck's last 1x1 has four times the maps of its 3x3
IMAGENET_PLAIN_DEPTHS = (18, 34)
IMAGENET_SMALLEST = 32  # five halvings

# Sec. 4.2: 6n+2 layers, a 3x3 stem and n blocks of two 3x3 convolutions at each of three sizes.
CIFAR_FEATURES = (16, 32, 64)
CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)
CIFAR_PLAIN_DEPTHS = (20, 32, 44, 56)
CIFAR_SMALLEST = 4  # two halvings

SHORTCUTS = ("A", "B", "C")  # sec. 3.3 and table 3


def check_shortcut(option: str) -> None:
    """Raise ValueError unless `option` is A, B or C."""
    if option not in SHORTCUTS:
        raise ValueError(f"shortcut: expected one of {', '.join(SHORTCUTS)}, got '{option}'.")


def conv_and_norm(module: nn.Module, train: bool) -> tuple[Callable, Callable]:
    """Return factories of a network's convolutions, `layers.Conv`, and norms, `norm(name=)`."""

    def norm(name, **options):
        return lambda x: normalize(module, x, train, name, **options)

    return functools.partial(layers.Conv, use_bias=module.norm is None, **typed(module)), norm


def last_norm(module: nn.Module, norm: Callable) -> Callable:
    """Return the factory of the norm that ends a residual block; `zero_gamma` makes its scale 0.

    Raises ValueError for `zero_gamma` if the norm has no scale, or the network no shortcuts.
    """
    if not module.zero_gamma:
        return norm
    if not layers.made_by(module.norm).has_scale or module.shortcut is None:
        raise ValueError("zero_gamma needs a normalization with a scale, and shortcuts.")
    return functools.partial(norm, scale_init=nn.initializers.zeros)


def shortcut_path(
    option: str, x: jax.Array, features: int, strides: int, conv: Callable, norm: Callable
) -> jax.Array:
    """[n, h, w, c] -> [n, h / strides, w / strides, features], by option A, B or C.

    The identity if shapes agree. Otherwise A takes every `strides`-th position and fills missing
    maps with zeros, half of them before and half after (the paper does not say where, and the order
    of maps does not matter), and B projects by a 1x1 convolution. C always projects.
    """
    same = strides == 1 and x.shape[-1] == features
    if option == "C" or (option == "B" and not same):
        x = conv(features, (1, 1), (strides, strides), padding=0, name="conv_shortcut")(x)
        return norm(name="norm_shortcut")(x)
    if same:
        return x
    missing = features - x.shape[-1]
    x = x[:, ::strides, ::strides]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and the shortcut unless `shortcut` is None (fig. 5, left)."""

    features: int
    strides: int
    shortcut: str | None
    conv: Callable
    norm: Callable
    last_norm: Callable
    activation: Callable

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h / strides, w / strides, features]."""
        strides = (self.strides, self.strides)
        y = self.conv(self.features, (3, 3), strides, padding=1, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y))
        y = self.conv(self.features, (3, 3), padding=1, name="conv2")(y)
        y = self.last_norm(name="norm2")(y)
        if self.shortcut is None:
            return self.activation(y)
        x = shortcut_path(self.shortcut, x, self.features, self.strides, self.conv, self.norm)
        return layers.residual_sum(y, x, self.activation)


class BottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, and the shortcut unless it is None (fig. 5, right).

    Attributes:
      stride_on_1x1: whether the first 1x1 has the stride, as published, or the 3x3.
    """

    features: int
    strides: int
    shortcut: str | None
    stride_on_1x1: bool
    conv: Callable
    norm: Callable
    last_norm: Callable
    activation: Callable

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h / strides, w / strides, 4 features]."""
        strides, unit = (self.strides, self.strides), (1, 1)
        first, second = (strides, unit) if self.stride_on_1x1 else (unit, strides)
        y = self.conv(self.features, (1, 1), first, padding=0, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y))
        y = self.conv(self.features, (3, 3), second, padding=1, name="conv2")(y)
        y = self.activation(self.norm(name="norm2")(y))
        features = EXPANSION * self.features
        y = self.conv(features, (1, 1), padding=0, name="conv3")(y)
        y = self.last_norm(name="norm3")(y)
        if self.shortcut is None:
            return self.activation(y)
        x = shortcut_path(self.shortcut, x, features, self.strides, self.conv, self.norm)
        return layers.residual_sum(y, x, self.activation)


def stages(
    network: nn.Module, x: jax.Array, features: Sequence[int], blocks: Sequence[int], make: Callable
) -> jax.Array:
    """Apply conv2_x, conv3_x ..., each made of `blocks` calls of `make(features, strides, name=)`.

    Every stage except the first halves the image in its first block. The outputs of stages are sown
    as `conv2_x` ... in `network`'s collection `intermediates`.
    """
    for number, (maps, count) in enumerate(zip(features, blocks, strict=True), start=2):
        first = 2 if number > 2 else 1

        def run(network, x, strides=(first, *[1] * (count - 1)), maps=maps, number=number):
            for i, stride in enumerate(strides, start=1):
                block = make(maps, stride, name=f"conv{number}_{i}")
                x = block(x)
            return x

        x = stage(network, run, x)
        network.sow("intermediates", f"conv{number}_x", x)
    return x


class ResNet(Classifier):
    """The networks of table 1 for 224x224 images; `shortcut=None` makes the plain ones of fig. 3.

    Attributes:
      blocks: numbers of blocks in conv2_x, conv3_x, conv4_x and conv5_x.
      bottleneck: whether blocks are bottlenecks.
      stride_on_1x1: whether a bottleneck's first 1x1 has the stride, as published, or its 3x3.
      shortcut: A, B (the paper's here; option A in its first comparison) or C; None: a plain net.
      zero_gamma: whether the norm that ends a block starts with a scale of 0 (Goyal et al. 2017).
      ceil_pool1: pool1 has no padding and rounds up, as in Caffe's release; otherwise a padding
        of 1.
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    blocks: Sequence[int]
    bottleneck: bool = False
    stride_on_1x1: bool = True
    shortcut: str | None = "B"
    zero_gamma: bool = False
    ceil_pool1: bool = False
    num_classes: int = 1000
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.he("fan_in")
    norm: Callable | None = layers.BatchNorm
    activation: Callable = nn.relu

    classifier: ClassVar[str] = "fc"
    in_stages: ClassVar[bool] = True

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, num_classes], float32 or wider; updates `batch_stats`.

        Raises ValueError for an unknown shortcut, for images below 32x32, and for `zero_gamma` if
        the norm has no scale or the network no shortcuts.
        """
        if self.shortcut is not None:
            check_shortcut(self.shortcut)
        check_size(images, IMAGENET_SMALLEST, "a residual network for ImageNet")
        conv, norm = conv_and_norm(self, train)
        parts = {"conv": conv, "norm": norm, "last_norm": last_norm(self, norm)}
        parts["activation"] = self.activation
        block = functools.partial(BasicBlock, shortcut=self.shortcut, **parts)
        if self.bottleneck:
            block = functools.partial(
                BottleneckBlock, shortcut=self.shortcut, stride_on_1x1=self.stride_on_1x1, **parts
            )

        def stem(network, x):
            x = conv(IMAGENET_FEATURES[0], (7, 7), (2, 2), padding=3, name="conv1")(x)
            x = network.activation(norm(name="norm1")(x))
            pool = {"ceil_mode": True} if network.ceil_pool1 else {"padding": 1}
            return layers.MaxPool((3, 3), (2, 2), **pool, name="pool1")(x)

        x = stage(self, stem, images)
        x = stages(self, x, IMAGENET_FEATURES, self.blocks, block)
        x = self.mean_over_positions(x, "pool5")
        return wide(self.dense(self.num_classes, name="fc")(x))


class CifarResNet(Classifier):
    """The networks of sec. 4.2 for 32x32 images; `shortcut=None` makes the plain ones.

    Attributes:
      blocks: n, for 6n+2 layers.
      shortcut: A (the paper's here), B or C; None for a plain net.
      zero_gamma: as in ResNet.
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    blocks: int
    shortcut: str | None = "A"
    zero_gamma: bool = False
    num_classes: int = 10
    features: Sequence[int] = CIFAR_FEATURES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.he("fan_in")
    norm: Callable | None = layers.BatchNorm
    activation: Callable = nn.relu

    classifier: ClassVar[str] = "fc"
    in_stages: ClassVar[bool] = True

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, num_classes], float32 or wider; updates `batch_stats`.

        Raises ValueError for an unknown shortcut and for images below 4x4.
        """
        if self.shortcut is not None:
            check_shortcut(self.shortcut)
        check_size(images, CIFAR_SMALLEST, "a CIFAR residual network")
        conv, norm = conv_and_norm(self, train)
        parts = {"conv": conv, "norm": norm, "last_norm": last_norm(self, norm)}
        parts["activation"] = self.activation
        block = functools.partial(BasicBlock, shortcut=self.shortcut, **parts)

        x = conv(self.features[0], (3, 3), padding=1, name="conv1")(images)
        x = self.activation(norm(name="norm1")(x))
        x = stages(self, x, self.features, [self.blocks] * len(self.features), block)
        x = self.mean_over_positions(x, "pool")
        return wide(self.dense(self.num_classes, name="fc")(x))


TABLE_1 = HE_2015.at("table 1")
V1_5 = HE_2015.at("in torchvision's reading (v1.5)")


def imagenet(depth: int, source: Place = TABLE_1, **options) -> Network:
    """Return the network of `depth` layers for ImageNet."""
    if depth in BOTTLENECK_DEPTHS:
        options = {"bottleneck": True, **options}
    build = functools.partial(ResNet, blocks=IMAGENET_BLOCKS[depth], **options)
    return Network(build, source, (224, 224, 3), 1000)


def cifar(depth: int, **options) -> Network:
    """Return the network of 6n+2 = `depth` layers."""
    build = functools.partial(CifarResNet, blocks=(depth - 2) // 6, **options)
    return Network(build, HE_2015.at("sec. 4.2"), (32, 32, 3), 10)


NETWORKS = {
    **{f"resnet{depth}": imagenet(depth, stride_on_1x1=True) for depth in IMAGENET_BLOCKS},
    **{
        f"resnet{depth}_v1_5": imagenet(depth, V1_5, stride_on_1x1=False)
        for depth in IMAGENET_BLOCKS
    },
    **{f"plain{depth}": imagenet(depth, shortcut=None) for depth in IMAGENET_PLAIN_DEPTHS},
    **{f"resnet{depth}": cifar(depth) for depth in CIFAR_DEPTHS},
    **{f"plain{depth}": cifar(depth, shortcut=None) for depth in CIFAR_PLAIN_DEPTHS},
}
