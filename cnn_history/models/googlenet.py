"""GoogLeNet: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich 2014,
"Going deeper with convolutions", arXiv:1409.4842. Table 1, fig. 2 and 3, and sec. 5.

`googlenet` is the paper's network, `googlenet_bn` torchvision's port of a later one.

Readings. The first convolution is the 7x7 of table 1, although the 2.7K parameters and 34M
operations there are those of a separable one. The sizes in table 1 need pooling in ceil mode, as in
Caffe's release. The paper does not state the constants of its two local response normalizations
(fig. 3); we use AlexNet's. Caffe's release has k=1 and, in the paper's unit, alpha=2e-5, which an
import chooses through `norm`. The paper does not state the initialization; as in Caffe's release,
kernels are drawn by Xavier's uniform law with fan-in, and biases are 0.2, in output layers 0.
"""

import functools
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.models.network import (
    Classifier,
    Dropout,
    Network,
    check_size,
    mean_over_positions,
    normalize,
    typed,
    wide,
)
from cnn_history.models.stage import stage
from cnn_history.papers import SZEGEDY_2014


class Widths(NamedTuple):
    """Filters of an Inception module, in the order of table 1; None leaves a 1x1 out."""

    conv1x1: int
    reduce3x3: int | None
    conv3x3: int
    reduce5x5: int | None
    conv5x5: int
    pool_proj: int | None


# Table 1, from top to bottom; every pool is the maximum of 3x3 at stride 2.
CONV1 = 64  # 7x7, stride 2
CONV2 = (64, 192)  # #3x3 reduce, #3x3
TABLE_1 = {
    #                    1x1 3x3r  3x3 5x5r 5x5 proj
    "inception_3a": Widths(64, 96, 128, 16, 32, 32),
    "inception_3b": Widths(128, 128, 192, 32, 96, 64),
    "pool3": None,
    "inception_4a": Widths(192, 96, 208, 16, 48, 64),
    "inception_4b": Widths(160, 112, 224, 24, 64, 64),
    "inception_4c": Widths(128, 128, 256, 24, 64, 64),
    "inception_4d": Widths(112, 144, 288, 32, 64, 64),
    "inception_4e": Widths(256, 160, 320, 32, 128, 128),
    "pool4": None,
    "inception_5a": Widths(256, 160, 320, 32, 128, 128),
    "inception_5b": Widths(384, 192, 384, 48, 128, 128),
}  # fmt: skip
DROPOUT = 0.4

# Sec. 5: the auxiliary classifiers, on the outputs of 4a and 4d.
AUX_HEADS = {"inception_4a": "aux_4a", "inception_4d": "aux_4d"}
AUX_CONV, AUX_FC = 128, 1024
AUX_POSITIONS = (4, 4)
AUX_DROPOUT = 0.7

IMAGE_SIZE, CLASSES = 224, 1000
BIAS = initializers.constant(0.2)  # Caffe's release


class InceptionModule(nn.Module):
    """1x1, 3x3, 5x5 and pooling in parallel, concatenated in depth (fig. 2).

    With None for `reduce3x3`, `reduce5x5` and `pool_proj` it is the naive module of fig. 2a: its
    pooling branch keeps the depth of the input.

    Attributes:
      widths: numbers of filters.
      unit: makes the convolutions.
      largest: k of the largest filter.
    """

    widths: Widths
    unit: ConvUnit = ConvUnit()
    largest: int = 5

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, sum of the branches' depths]."""
        widths, k = self.widths, self.largest
        unit = functools.partial(self.unit, train=train)

        def bottleneck(x, features, name):
            return x if features is None else unit(x, features, (1, 1), name)

        one = unit(x, widths.conv1x1, (1, 1), "1x1")
        three = bottleneck(x, widths.reduce3x3, "3x3_reduce")
        three = unit(three, widths.conv3x3, (3, 3), "3x3")
        five = bottleneck(x, widths.reduce5x5, "5x5_reduce")
        five = unit(five, widths.conv5x5, (k, k), "5x5")
        pool = layers.MaxPool((3, 3), (1, 1), padding=1, name="pool")(x)
        pool = bottleneck(pool, widths.pool_proj, "pool_proj")
        return jnp.concatenate([one, three, five, pool], axis=-1)


class AuxiliaryHead(nn.Module):
    """An auxiliary classifier (sec. 5), [n, h, w, c] -> logits [n, num_classes].

    Attributes:
      adaptive: pool maps of any size to 4x4, instead of by 5x5 at stride 3.
    """

    num_classes: int
    unit: ConvUnit
    dropout: Dropout
    adaptive: bool

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, num_classes]; larger maps give the mean of dense logits."""
        unit = self.unit
        if self.adaptive:
            x = layers.AdaptiveAvgPool(AUX_POSITIONS, name="pool")(x)
        else:
            x = layers.AvgPool((5, 5), (3, 3), name="pool")(x)
        x = unit(x, AUX_CONV, (1, 1), "conv", train=train)
        fc1 = layers.FullyConnected(
            AUX_FC, AUX_POSITIONS, unit.kernel_init, unit.bias_init, unit.dtype, name="fc1"
        )
        x = unit.activation(fc1(x))
        x = layers.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return mean_over_positions(layers.Dense(self.num_classes, name="fc2", **typed(unit))(x))


class GoogLeNet(Classifier):
    """GoogLeNet of table 1: 6,998,552 parameters, 13,378,280 with both auxiliary heads.

    Every convolution keeps its bias with every `norm`, because an activation, and once a pooling,
    comes between them. The pooling before the classifier, 7x7 in the paper, is over all positions:
    larger images give the mean of dense logits.

    Attributes:
      aux_heads: add the classifiers of sec. 5, on 4a and 4d.
      dropout: rate before the classifier.
      aux_dropout: rate in the auxiliary classifiers.
      norm: the layer at the two normalizations of fig. 3, `norm(name=, dtype=)(x,
        use_running_average=)`, or None.
    """

    num_classes: int = CLASSES
    aux_heads: bool = False
    dropout: Dropout = DROPOUT
    aux_dropout: Dropout = AUX_DROPOUT
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.xavier("fan_in", "uniform")
    norm: Callable | None = layers.LocalResponseNorm
    activation: Callable = nn.relu

    classifier: ClassVar[str] = "fc"
    in_stages: ClassVar[bool] = True

    # Overridden by torchvision's port.
    largest: ClassVar[int] = 5
    pool4: ClassVar[int] = 3
    norm_after_convolutions: ClassVar[bool] = False
    adaptive_heads: ClassVar[bool] = False
    smallest: ClassVar[int] = 31
    smallest_with_heads: ClassVar[int] = 223  # 14x14 at 4a and 4d, 4x4 for the heads' first layer

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool
    ) -> jax.Array | tuple[jax.Array, tuple[jax.Array, ...]]:
        """[n, h, w, c] -> logits [n, num_classes], float32 or wider; updates `batch_stats`.

        With `aux_heads` and `train`: (logits, (logits of 4a, logits of 4d)).
        Raises ValueError for images below 31x31; to train or initialize heads, below 223x223.
        """
        run_heads = self.aux_heads and (train or self.is_initializing())
        smallest = self.smallest_with_heads if run_heads else self.smallest
        check_size(images, smallest, "GoogLeNet")
        conv_norm = self.norm if self.norm_after_convolutions else None
        module_unit = ConvUnit(self.dtype, self.kernel_init, BIAS, conv_norm, self.activation)
        module = functools.partial(InceptionModule, unit=module_unit, largest=self.largest)
        head = functools.partial(
            AuxiliaryHead, self.num_classes, module_unit, self.aux_dropout, self.adaptive_heads
        )
        unit = functools.partial(module_unit, train=train)
        pool = functools.partial(layers.MaxPool, strides=(2, 2), ceil_mode=True)

        def norm(x, name):
            if self.norm_after_convolutions:
                return x
            return normalize(self, x, train, name)

        def run(module, x):
            return module(x, train)

        x = unit(images, CONV1, (7, 7), "conv1", strides=2)
        x = norm(pool((3, 3), name="pool1")(x), "norm1")
        x = unit(x, CONV2[0], (1, 1), "conv2_reduce")
        x = norm(unit(x, CONV2[1], (3, 3), "conv2"), "norm2")
        x = pool((3, 3), name="pool2")(x)

        aux_logits = []
        for name, widths in TABLE_1.items():
            if widths is not None:
                x = stage(module(widths, name=name), run, x)
            else:
                k = self.pool4 if name == "pool4" else 3
                x = pool((k, k), name=name)(x)
            if name in AUX_HEADS and run_heads:
                aux_logits.append(head(name=AUX_HEADS[name])(x, train))

        x = self.mean_over_positions(x, "pool5")
        x = self.drop(x, train, "dropout")
        logits = wide(self.dense(self.num_classes, name="fc")(x))
        return (logits, tuple(aux_logits)) if self.aux_heads and train else logits


class GoogLeNetBN(GoogLeNet):
    """torchvision's GoogLeNet: 6,624,904 parameters, 13,004,888 with both auxiliary heads.

    Departures from the paper: batch normalization (epsilon 0.001) after every convolution, also in
    the heads, and no local response normalization; 3x3 filters where table 1 has 5x5; 2x2 in pool4;
    heads that pool adaptively to 4x4; dropout 0.2. Convolutions have a bias only with `norm=None`,
    fully-connected layers always. Images from 15x15 work, with `aux_heads` too. Initialized like
    `googlenet` (torchvision: normal distribution, deviation 0.01).
    """

    dropout: Dropout = 0.2
    norm: Callable | None = functools.partial(layers.BatchNorm, epsilon=0.001)

    largest = 3
    pool4 = 2
    norm_after_convolutions = True
    adaptive_heads = True
    smallest = smallest_with_heads = 15


INPUT = (IMAGE_SIZE, IMAGE_SIZE, 3)
NETWORKS = {
    "googlenet": Network(GoogLeNet, SZEGEDY_2014.at("table 1"), INPUT, CLASSES),
    "googlenet_bn": Network(
        GoogLeNetBN, SZEGEDY_2014.at("(as torchvision ports it)"), INPUT, CLASSES
    ),
}
