"""BN-Inception: Ioffe & Szegedy 2015, "Batch normalization: accelerating deep network training by
reducing internal covariate shift", arXiv:1502.03167, fig. 5 (appendix). It is often called
Inception-v2, a name that Szegedy et al. 2015b give to another network.

Readings. The first convolution is a plain 7x7; the paper's was separable, with a depth multiplier
of 8 (appendix). The second is a 1x1 with 64 filters and a 3x3 with 192 (columns "#3x3 reduce",
"#3x3"). The paper states no padding; we use the public Caffe net's: k // 2 for convolutions, none
and ceil mode for pooling at stride 2. It states no initialization; we use He et al. 2015, fan-in.
The paper reports 13.6 million parameters (sec. 4.2.2); its figure has 11.2 million.
"""

import functools
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.models.network import Classifier, Dropout, Network, check_size, wide
from cnn_history.models.stage import stage
from cnn_history.papers import IOFFE_2015


class Row(NamedTuple):
    """An Inception module of fig. 5; a module without 1x1 and projection has stride 2."""

    conv1x1: int | None
    reduce3x3: int
    conv3x3: int
    reduce_double: int
    double3x3: int
    pool: str
    pool_proj: int | None  # None: "pass through"


# Fig. 5, from top to bottom.
CONV1 = 64  # 7x7, stride 2; then a maximum of 3x3 at stride 2
CONV2 = (64, 192)  # #3x3 reduce, #3x3; then the same pooling
FIGURE_5 = {
    #                  1x1  3x3r 3x3 d3x3r d3x3 pool  proj
    "inception_3a": Row(64, 64, 64, 64, 96, "avg", 32),
    "inception_3b": Row(64, 64, 96, 64, 96, "avg", 64),
    "inception_3c": Row(None, 128, 160, 64, 96, "max", None),
    "inception_4a": Row(224, 64, 96, 96, 128, "avg", 128),
    "inception_4b": Row(192, 96, 128, 96, 128, "avg", 128),
    "inception_4c": Row(160, 128, 160, 128, 160, "avg", 96),
    "inception_4d": Row(96, 128, 192, 160, 192, "avg", 96),
    "inception_4e": Row(None, 128, 192, 192, 256, "max", None),
    "inception_5a": Row(352, 192, 320, 160, 224, "avg", 128),
    "inception_5b": Row(352, 192, 320, 192, 224, "max", 128),
}  # fmt: skip

CHANNELS = {
    "figure": FIGURE_5,  # 576 channels out of 4c and 4d
    "release": {  # 608: the public Caffe net projects to 128
        **FIGURE_5,
        "inception_4c": FIGURE_5["inception_4c"]._replace(pool_proj=128),
        "inception_4d": FIGURE_5["inception_4d"]._replace(pool_proj=128),
    },
}

IMAGE_SIZE, CLASSES = 224, 1000
SMALLEST = 7  # conv1 halves rounding up, pool1 and pool2 rounding down


class BNInceptionModule(nn.Module):
    """1x1, 3x3, double 3x3 and pooling in parallel; at stride 2, pooling has no projection."""

    row: Row
    unit: ConvUnit

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, h / s, w / s, depth], sizes rounded up."""
        row, unit = self.row, functools.partial(self.unit, train=train)
        strides = 2 if row.conv1x1 is None else 1
        branches = []
        if row.conv1x1 is not None:
            branches.append(unit(x, row.conv1x1, (1, 1), "1x1"))
        y = unit(x, row.reduce3x3, (1, 1), "3x3_reduce")
        branches.append(unit(y, row.conv3x3, (3, 3), "3x3", strides))
        y = unit(x, row.reduce_double, (1, 1), "double_3x3_reduce")
        y = unit(y, row.double3x3, (3, 3), "double_3x3_1")
        branches.append(unit(y, row.double3x3, (3, 3), "double_3x3_2", strides))
        if strides == 1:
            pool = {"avg": layers.AvgPool, "max": layers.MaxPool}[row.pool]
            y = pool((3, 3), (1, 1), padding=1, name="pool")(x)
            branches.append(unit(y, row.pool_proj, (1, 1), "pool_proj"))
        else:
            # An odd last row or column gets a window too, as in the convolutions.
            odd = ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0))
            y = jnp.pad(x, odd, constant_values=-jnp.inf)
            branches.append(layers.MaxPool((3, 3), (2, 2), ceil_mode=True, name="pool")(y))
        return jnp.concatenate(branches, axis=-1)


class BNInception(Classifier):
    """BN-Inception of fig. 5: 11,194,984 parameters; with the release's channels 11,285,224.

    `norm` follows every convolution, before the activation. Convolutions have a bias only with
    `norm=None`; the classifier always has one. There is no local response normalization, and no
    dropout by default (sec. 4.2.1); ensemble members had 5 or 10 % (sec. 4.2.3). The pooling before
    the classifier, 7x7 in the paper, is over all positions.

    Attributes:
      channels: "figure" (fig. 5) or "release" (the public Caffe net's 4c and 4d).
      dropout: rate before the classifier.
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
    """

    num_classes: int = CLASSES
    channels: str = "figure"
    dropout: Dropout = 0.0
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.he("fan_in")
    norm: Callable | None = layers.BatchNorm
    activation: Callable = nn.relu

    classifier: ClassVar[str] = "fc"
    in_stages: ClassVar[bool] = True

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, num_classes], float32 or wider; updates `batch_stats`.

        Raises ValueError for unknown channels and for images below 7x7.
        """
        if self.channels not in CHANNELS:
            known = ", ".join(CHANNELS)
            raise ValueError(f"channels: expected one of {known}, got '{self.channels}'.")
        check_size(images, SMALLEST, "bn_inception")
        module_unit = ConvUnit(
            self.dtype, self.kernel_init, norm=self.norm, activation=self.activation
        )
        unit = functools.partial(module_unit, train=train)
        pool = functools.partial(layers.MaxPool, (3, 3), (2, 2), ceil_mode=True)

        def run(module, x):
            return module(x, train)

        x = unit(images, CONV1, (7, 7), "conv1", strides=2)
        x = pool(name="pool1")(x)
        x = unit(x, CONV2[0], (1, 1), "conv2_reduce")
        x = unit(x, CONV2[1], (3, 3), "conv2")
        x = pool(name="pool2")(x)
        for name, row in CHANNELS[self.channels].items():
            x = stage(BNInceptionModule(row, module_unit, name=name), run, x)
        x = self.mean_over_positions(x, "pool5")
        x = self.drop(x, train, "dropout")
        return wide(self.dense(self.num_classes, name="fc")(x))


NETWORKS = {
    "bn_inception": Network(
        BNInception, IOFFE_2015.at("fig. 5"), (IMAGE_SIZE, IMAGE_SIZE, 3), CLASSES
    ),
}
