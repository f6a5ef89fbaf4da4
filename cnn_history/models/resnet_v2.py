"""Pre-activation residual networks: He, Zhang, Ren, Sun 2016, "Identity mappings in deep residual
networks", arXiv:1603.05027. The ImageNet networks and the CIFAR ones of table 4.

A unit normalizes and activates before each convolution, and nothing follows the addition (fig. 4e).

Readings:
  - The first unit, and each unit that changes the number of maps, activates "before splitting into
    two paths" (the appendix says so of the first unit, the authors' code of the others).
  - ImageNet: the paper puts the first activation "right after conv1" and does not mention the
    pooling between conv1 and the first unit. Here the pooling comes first, so that the first unit
    is like any other; its statistics are those of the pooled maps.
  - The paper does not say where a bottleneck halves the image. Here CIFAR's do so in the first 1x1,
    as in the authors' code, and ImageNet's in the 3x3, as in the ports of those networks.
  - Projections are neither normalized nor activated.
  - Convolutions have a bias only without normalization; kernels are drawn with fan-in, as in the
    networks of 2015.
"""

import functools
from collections.abc import Callable, Sequence
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models import resnet
from cnn_history.models.network import Classifier, Network, check_size, wide
from cnn_history.papers import HE_2016

# Table 4: CIFAR networks. 6n+2 layers of basic units, and 9n+2 of bottlenecks.
CIFAR_BASIC_DEPTHS = (110,)
CIFAR_BOTTLENECK_DEPTHS = (164, 1001)


class PreActivationUnit(nn.Module):
    """BN, ReLU and convolution, for each of two 3x3, or of a bottleneck's 1x1, 3x3 and 1x1.

    Nothing follows the sum.

    Attributes:
      features: maps of the 3x3 convolutions; a bottleneck outputs four times as many.
      stride_on_1x1: whether a bottleneck's first 1x1 has the stride, or its 3x3.
      first: whether it is the first unit of the network.
    """

    features: int
    strides: int
    bottleneck: bool
    stride_on_1x1: bool
    first: bool
    shortcut: str
    conv: Callable
    norm: Callable
    activation: Callable

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h / strides, w / strides, features or 4 features]."""
        strides, unit = (self.strides, self.strides), (1, 1)
        features = resnet.EXPANSION * self.features if self.bottleneck else self.features
        if self.bottleneck:
            first, second = (strides, unit) if self.stride_on_1x1 else (unit, strides)
            convolutions = (
                (self.features, (1, 1), first),
                (self.features, (3, 3), second),
                (features, (1, 1), unit),
            )
        else:
            convolutions = ((features, (3, 3), strides), (features, (3, 3), unit))

        y = self.activation(self.norm(name="norm1")(x))
        if self.first or x.shape[-1] != features:
            x = y
        for i, (maps, window, step) in enumerate(convolutions, 1):
            if i > 1:
                y = self.activation(self.norm(name=f"norm{i}")(y))
            y = self.conv(maps, window, step, padding=window[0] // 2, name=f"conv{i}")(y)

        def bare(name):
            return lambda x: x

        x = resnet.shortcut_path(self.shortcut, x, features, self.strides, self.conv, bare)
        return layers.residual_sum(y, x)


class ResNetV2(Classifier):
    """Stem, pre-activation units, a final normalization and activation, pooling, classifier.

    Attributes:
      features: maps of the 3x3 convolutions of conv2_x, conv3_x ...; the stem has the first number.
      blocks: number of units in each stage.
      bottleneck: whether units are bottlenecks.
      imagenet: whether the stem is 7x7 with stride and pooling, or CIFAR's 3x3.
      shortcut: A, B or C of He et al. 2015.
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    features: Sequence[int]
    blocks: Sequence[int]
    bottleneck: bool
    imagenet: bool
    shortcut: str = "B"
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

        Raises ValueError for an unknown shortcut, and for images below 32x32 (CIFAR's: 4x4).
        """
        resnet.check_shortcut(self.shortcut)
        smallest = resnet.IMAGENET_SMALLEST if self.imagenet else resnet.CIFAR_SMALLEST
        check_size(images, smallest, "this pre-activation residual network")
        conv, norm = resnet.conv_and_norm(self, train)

        def unit(features, strides, name):
            return PreActivationUnit(
                features=features,
                strides=strides,
                bottleneck=self.bottleneck,
                stride_on_1x1=not self.imagenet,
                first=name == "conv2_1",
                shortcut=self.shortcut,
                conv=conv,
                norm=norm,
                activation=self.activation,
                name=name,
            )

        if self.imagenet:
            x = conv(self.features[0], (7, 7), (2, 2), padding=3, name="conv1")(images)
            x = layers.MaxPool((3, 3), (2, 2), padding=1, name="pool1")(x)
        else:
            x = conv(self.features[0], (3, 3), padding=1, name="conv1")(images)
        x = resnet.stages(self, x, self.features, self.blocks, unit)
        x = self.activation(norm(name="norm_last")(x))
        x = self.mean_over_positions(x, "pool")
        return wide(self.dense(self.num_classes, name="fc")(x))


class CifarResNetV2(ResNetV2):
    """The CIFAR networks of basic units, with shortcuts without parameters."""

    num_classes: int = 10
    shortcut: str = "A"


class CifarBottleneckResNetV2(ResNetV2):
    """The CIFAR networks of bottlenecks, with projections at the start of each stage."""

    num_classes: int = 10


def imagenet(depth: int) -> Network:
    """Return the pre-activation network of `depth` layers for ImageNet."""
    build = functools.partial(
        ResNetV2,
        features=resnet.IMAGENET_FEATURES,
        blocks=resnet.IMAGENET_BLOCKS[depth],
        bottleneck=depth in resnet.BOTTLENECK_DEPTHS,
        imagenet=True,
    )
    return Network(build, HE_2016.at(), (224, 224, 3), 1000)


def cifar(depth: int) -> Network:
    """Return the CIFAR network of `depth` layers."""
    bottleneck = depth in CIFAR_BOTTLENECK_DEPTHS
    units = (depth - 2) // (9 if bottleneck else 6)
    build = functools.partial(
        CifarBottleneckResNetV2 if bottleneck else CifarResNetV2,
        features=resnet.CIFAR_FEATURES,
        blocks=(units,) * len(resnet.CIFAR_FEATURES),
        bottleneck=bottleneck,
        imagenet=False,
    )
    return Network(build, HE_2016.at("table 4"), (32, 32, 3), 10)


NETWORKS = {
    **{f"resnet{depth}_v2": imagenet(depth) for depth in resnet.IMAGENET_BLOCKS},
    **{
        f"preact_resnet{depth}": cifar(depth)
        for depth in (*CIFAR_BASIC_DEPTHS, *CIFAR_BOTTLENECK_DEPTHS)
    },
}
