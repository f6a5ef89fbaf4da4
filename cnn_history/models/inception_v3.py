"""Inception-v3: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015, "Rethinking the Inception
architecture for computer vision", arXiv:1512.00567, table 1 and fig. 5-8 and 10; as released.

This is the released network (TensorFlow's, ported by torchvision), which departs from the paper:
in the stem, a 1x1, a 3x3 and a pooling replace the last three convolutions of table 1; the modules
of fig. 5 have a 5x5 filter where the figure has a single 3x3; a grid reduction (fig. 10) and four
modules replace table 1's five modules of fig. 6; the second grid reduction factorizes a 7x7. As in
torchvision, average pooling counts the zeros of its padding (TensorFlow's does not).
Readings, where the paper says nothing: dropout 0.2 before the classifier, as released (torchvision:
0.5); He et al. 2015's initialization, fan-in.
"""

import functools
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.models.network import Classifier, Dropout, Network, check_size, typed, wide
from cnn_history.models.stage import stage
from cnn_history.papers import SZEGEDY_2015

# Table 1, from top to bottom, with the release's names, which number the map sizes.
STEM = (
    # name          filters  k  stride  padding
    ("Conv2d_1a_3x3", 32, 3, 2, 0),  # 299 -> 149
    ("Conv2d_2a_3x3", 32, 3, 1, 0),
    ("Conv2d_2b_3x3", 64, 3, 1, 1),  # "conv padded"
    ("MaxPool_3a_3x3", None, 3, 2, 0),  # 147 -> 73
    ("Conv2d_3b_1x1", 80, 1, 1, 0),
    ("Conv2d_4a_3x3", 192, 3, 1, 0),
    ("MaxPool_5a_3x3", None, 3, 2, 0),  # 71 -> 35
)
FIGURE_5 = {"Mixed_5b": 32, "Mixed_5c": 64, "Mixed_5d": 64}  # filters after the pooling
FIGURE_6 = {"Mixed_6b": 128, "Mixed_6c": 160, "Mixed_6d": 160, "Mixed_6e": 192}  # inner filters
FIGURE_7 = ("Mixed_7b", "Mixed_7c")
DROPOUT = 0.2
EPSILON = 0.001  # in normalizations

IMAGE_SIZE, CLASSES = 299, 1000
SMALLEST = 75  # 1x1 at Mixed_7c
SMALLEST_WITH_HEAD = 299  # 17x17 at Mixed_6e, 5x5 for the head's convolution


class Figure5(nn.Module):
    """1x1, 5x5, double 3x3 and pooling: [n, 35, 35, c] -> [n, 35, 35, 224 + pool_proj]."""

    pool_proj: int
    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, 224 + pool_proj]."""
        unit = functools.partial(self.unit, train=train)
        one = unit(x, 64, (1, 1), "1x1")
        five = unit(x, 48, (1, 1), "5x5_reduce")
        five = unit(five, 64, (5, 5), "5x5")
        double = unit(x, 64, (1, 1), "double_3x3_reduce")
        double = unit(double, 96, (3, 3), "double_3x3_1")
        double = unit(double, 96, (3, 3), "double_3x3_2")
        pool = layers.AvgPool((3, 3), (1, 1), padding=1, name="pool")(x)
        pool = unit(pool, self.pool_proj, (1, 1), "pool_proj")
        return jnp.concatenate([one, five, double, pool], axis=-1)


class Figure6(nn.Module):
    """1x1, 7x7 and double 7x7, each as 1x7 and 7x1, and pooling, on the 17x17 grid."""

    width: int
    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, 768]."""
        unit, width = functools.partial(self.unit, train=train), self.width
        one = unit(x, 192, (1, 1), "1x1")
        seven = unit(x, width, (1, 1), "7x7_reduce")
        seven = unit(seven, width, (1, 7), "7x7_1")
        seven = unit(seven, 192, (7, 1), "7x7_2")
        double = unit(x, width, (1, 1), "double_7x7_reduce")
        double = unit(double, width, (7, 1), "double_7x7_1")
        double = unit(double, width, (1, 7), "double_7x7_2")
        double = unit(double, width, (7, 1), "double_7x7_3")
        double = unit(double, 192, (1, 7), "double_7x7_4")
        pool = layers.AvgPool((3, 3), (1, 1), padding=1, name="pool")(x)
        pool = unit(pool, 192, (1, 1), "pool_proj")
        return jnp.concatenate([one, seven, double, pool], axis=-1)


class Figure7(nn.Module):
    """1x1, 3x3 and double 3x3, each ending in 1x3 and 3x1 in parallel, and pooling."""

    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, 2048]."""
        unit = functools.partial(self.unit, train=train)
        one = unit(x, 320, (1, 1), "1x1")
        three = unit(x, 384, (1, 1), "3x3_reduce")
        wide, high = unit(three, 384, (1, 3), "3x3_a"), unit(three, 384, (3, 1), "3x3_b")
        double = unit(x, 448, (1, 1), "double_3x3_reduce")
        double = unit(double, 384, (3, 3), "double_3x3_1")
        double_wide = unit(double, 384, (1, 3), "double_3x3_2a")
        double_high = unit(double, 384, (3, 1), "double_3x3_2b")
        pool = layers.AvgPool((3, 3), (1, 1), padding=1, name="pool")(x)
        pool = unit(pool, 192, (1, 1), "pool_proj")
        return jnp.concatenate([one, wide, high, double_wide, double_high, pool], axis=-1)


class Reduction35(nn.Module):
    """From 35x35 to 17x17 by 3x3, double 3x3 and pooling, all at stride 2 (fig. 10)."""

    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, (h - 1) // 2, (w - 1) // 2, 480 + c]."""
        unit = functools.partial(self.unit, train=train)
        three = unit(x, 384, (3, 3), "3x3", strides=2, padding=(0, 0))
        double = unit(x, 64, (1, 1), "double_3x3_reduce")
        double = unit(double, 96, (3, 3), "double_3x3_1")
        double = unit(double, 96, (3, 3), "double_3x3_2", strides=2, padding=(0, 0))
        pool = layers.MaxPool((3, 3), (2, 2), name="pool")(x)
        return jnp.concatenate([three, double, pool], axis=-1)


class Reduction17(nn.Module):
    """From 17x17 to 8x8: fig. 10 with 1x7, 7x1 and 3x3 instead of the double 3x3."""

    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, (h - 1) // 2, (w - 1) // 2, 512 + c]."""
        unit = functools.partial(self.unit, train=train)
        three = unit(x, 192, (1, 1), "3x3_reduce")
        three = unit(three, 320, (3, 3), "3x3", strides=2, padding=(0, 0))
        seven = unit(x, 192, (1, 1), "7x7x3_reduce")
        seven = unit(seven, 192, (1, 7), "7x7x3_1")
        seven = unit(seven, 192, (7, 1), "7x7x3_2")
        seven = unit(seven, 192, (3, 3), "7x7x3_3", strides=2, padding=(0, 0))
        pool = layers.MaxPool((3, 3), (2, 2), name="pool")(x)
        return jnp.concatenate([three, seven, pool], axis=-1)


class AuxiliaryHead(nn.Module):
    """The classifier on the last 17x17 map (fig. 8), with a normalized hidden layer (table 3)."""

    num_classes: int
    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, num_classes]; larger maps give the mean of dense logits."""
        unit = self.unit
        x = layers.AvgPool((5, 5), (3, 3), name="pool")(x)
        x = unit(x, 128, (1, 1), "conv1", train=train)
        x = unit(x, 768, (5, 5), "conv2", padding=(0, 0), train=train)
        x = layers.GlobalAvgPool(name="global_pool")(x)
        return wide(layers.Dense(self.num_classes, name="fc", **typed(unit))(x))


class InceptionV3(Classifier):
    """Inception-v3 as released: 23,834,568 parameters, 27,161,264 with the auxiliary head.

    `norm` follows every convolution, also in the head, before the activation. Convolutions have a
    bias only with `norm=None`; linear layers always have one. The pooling before the classifier,
    8x8 in the paper, is over all positions: larger images give the mean of dense logits.

    Attributes:
      aux_heads: add the classifier of fig. 8, on Mixed_6e.
      dropout: rate before the classifier.
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    num_classes: int = CLASSES
    aux_heads: bool = False
    dropout: Dropout = DROPOUT
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.he("fan_in")
    norm: Callable | None = functools.partial(layers.BatchNorm, epsilon=EPSILON)
    activation: Callable = nn.relu

    classifier: ClassVar[str] = "fc"
    in_stages: ClassVar[bool] = True

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool
    ) -> jax.Array | tuple[jax.Array, tuple[jax.Array, ...]]:
        """[n, h, w, c] -> logits [n, num_classes], float32 or wider; updates `batch_stats`.

        With `aux_heads` and `train`: (logits, (logits of the head,)).
        Raises ValueError for images below 75x75; to train or initialize the head, below 299x299.
        """
        run_head = self.aux_heads and (train or self.is_initializing())
        check_size(images, SMALLEST_WITH_HEAD if run_head else SMALLEST, "inception_v3")
        unit = ConvUnit(self.dtype, self.kernel_init, norm=self.norm, activation=self.activation)

        def run(module, x):
            return module(x, train)

        x = images
        for name, filters, k, stride, padding in STEM:
            if filters is None:
                x = layers.MaxPool((k, k), (stride, stride), padding, name=name)(x)
            else:
                x = unit(x, filters, (k, k), name, stride, (padding, padding), train=train)
        for name, pool_proj in FIGURE_5.items():
            x = stage(Figure5(pool_proj, unit, name=name), run, x)
        x = stage(Reduction35(unit, name="Mixed_6a"), run, x)
        for name, width in FIGURE_6.items():
            x = stage(Figure6(width, unit, name=name), run, x)
        if run_head:
            aux_logits = AuxiliaryHead(self.num_classes, unit, name="aux_6e")(x, train)
        x = stage(Reduction17(unit, name="Mixed_7a"), run, x)
        for name in FIGURE_7:
            x = stage(Figure7(unit, name=name), run, x)

        x = self.mean_over_positions(x, "pool")
        x = self.drop(x, train, "dropout")
        logits = wide(self.dense(self.num_classes, name="fc")(x))
        return (logits, (aux_logits,)) if self.aux_heads and train else logits


NETWORKS = {
    "inception_v3": Network(
        InceptionV3,
        SZEGEDY_2015.at("as released"),
        (IMAGE_SIZE, IMAGE_SIZE, 3),
        CLASSES,
    ),
}
