"""VGG: Simonyan, Zisserman 2014, "Very deep convolutional networks for large-scale image
recognition", arXiv:1409.1556, table 1.

`vgg11`, `vgg11_lrn`, `vgg13`, `vgg16_c`, `vgg16` and `vgg19` are the columns A, A-LRN, B, C, D and
E; `vgg11_bn`, `vgg13_bn`, `vgg16_bn` and `vgg19_bn` are torchvision's batch-normalized A, B, D, E.
"""

import functools
import itertools
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.network import Dropout, FittedClassifier, Network, normalize
from cnn_history.models.stage import stage
from cnn_history.papers import SIMONYAN_2014

# Table 1: an entry per column, a string per group of rows between two max-pools. conv3-64 is a 3x3
# convolution with 64 maps.
TABLE_1 = {
    "A": (
        "conv3-64",
        "conv3-128",
        "conv3-256 conv3-256",
        "conv3-512 conv3-512",
        "conv3-512 conv3-512",
    ),
    "A-LRN": (
        "conv3-64 LRN",
        "conv3-128",
        "conv3-256 conv3-256",
        "conv3-512 conv3-512",
        "conv3-512 conv3-512",
    ),
    "B": (
        "conv3-64 conv3-64",
        "conv3-128 conv3-128",
        "conv3-256 conv3-256",
        "conv3-512 conv3-512",
        "conv3-512 conv3-512",
    ),
    "C": (
        "conv3-64 conv3-64",
        "conv3-128 conv3-128",
        "conv3-256 conv3-256 conv1-256",
        "conv3-512 conv3-512 conv1-512",
        "conv3-512 conv3-512 conv1-512",
    ),
    "D": (
        "conv3-64 conv3-64",
        "conv3-128 conv3-128",
        "conv3-256 conv3-256 conv3-256",
        "conv3-512 conv3-512 conv3-512",
        "conv3-512 conv3-512 conv3-512",
    ),
    "E": (
        "conv3-64 conv3-64",
        "conv3-128 conv3-128",
        "conv3-256 conv3-256 conv3-256 conv3-256",
        "conv3-512 conv3-512 conv3-512 conv3-512",
        "conv3-512 conv3-512 conv3-512 conv3-512",
    ),
}
FC6 = FC7 = 4096
CLASSES = 1000

IMAGE_SIZE = 224


def groups(column: str) -> list[list[tuple[str, str]]]:
    """Return (name, entry) of each row of a column of table 1, a list for each maxpool."""
    found = []
    for i, group in enumerate(TABLE_1[column], start=1):
        convs, *lrn = group.split(" LRN")
        named = [(f"conv{i}_{j}", entry) for j, entry in enumerate(convs.split(), start=1)]
        found.append([*named, *((f"lrn{i}", "LRN") for _ in lrn), (f"pool{i}", "maxpool")])
    return found


def rows(column: str) -> list[tuple[str, str]]:
    """Return (name, entry) of each row of a column of table 1, down to the last maxpool."""
    return list(itertools.chain(*groups(column)))


class VGG(FittedClassifier):
    """Stacks of 3x3 convolutions and three fully-connected layers; logits, before the softmax.

    Parameters: A and A-LRN 132,863,336, B 133,047,848, C 133,638,952, D 138,357,544,
    E 143,667,240 (table 2: 133, 133, 134, 138, 144 million).

    Readings of the paper: LRN follows the activation, with the constants of Krizhevsky et al. 2012
    (sec. 2.1). Kernels are drawn by Glorot & Bengio 2010 (uniform, fan_avg), with which "it is
    possible to initialise the weights without pre-training" (sec. 3.1). The paper's own runs drew
    A's weights from a normal distribution "with 10^-2 variance" (literally `gaussian(0.1)`, often
    read as `gaussian(0.01)`), and initialized deeper nets from A's layers. Biases are 0.

    Every convolution keeps its bias with every `norm`, as in torchvision's batch-normalized nets.

    Attributes:
      column: the column of table 1.
      norm: normalization between each convolution and its activation, `norm(name=, dtype=)(x,
        use_running_average=)`, or None.
      dropout: rate on fc6 and fc7.
      fit_classifier: whether fc6 is sized for the map that it receives; images from 32x32.
    """

    column: str
    num_classes: int = CLASSES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.xavier("fan_avg", "uniform")
    norm: Callable | None = None
    activation: Callable = nn.relu
    dropout: Dropout = 0.5
    fit_classifier: bool = False

    classifier: ClassVar[str] = "fc8"
    in_stages: ClassVar[bool] = True
    window: ClassVar[tuple[int, int]] = (7, 7)
    smallest: ClassVar[int] = IMAGE_SIZE
    smallest_fitted: ClassVar[int] = 32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], of side `smallest` or more -> logits [n, num_classes], float32 or wider."""
        self.check(images, "VGG")

        def layer(x, name, entry):
            if entry == "maxpool":
                return layers.MaxPool((2, 2), (2, 2), name=name)(x)
            if entry == "LRN":
                return layers.LocalResponseNorm(name=name)(x)
            kernel, maps = map(int, entry.removeprefix("conv").split("-"))
            x = self.conv(maps, (kernel, kernel), padding=kernel // 2, name=name)(x)
            return self.activation(normalize(self, x, train, name.replace("conv", "norm")))

        def run(network, x, group):
            for name, entry in group:
                x = layer(x, name, entry)
            return x

        x = images
        for group in groups(self.column):
            x = stage(self, functools.partial(run, group=group), x)
        x = self.activation(self.first_fully_connected(x, FC6, "fc6"))
        x = self.drop(x, train, "drop6")
        x = self.activation(self.dense(FC7, name="fc7")(x))
        x = self.drop(x, train, "drop7")
        return self.mean_over_positions(self.dense(self.num_classes, name="fc8")(x))


class VGGBatchNorm(VGG):
    """VGG with batch normalization (Ioffe & Szegedy 2015) after every convolution.

    Parameters: A 132,868,840, B 133,053,736, D 138,365,992, E 143,678,248. Convolutions keep
    biases, as torchvision's do, although batch normalization cancels them.
    Departure from torchvision: as in the paper, fc6 slides over larger images (sec. 3.2), where
    torchvision pools adaptively to 7x7. At 224x224 both are the same.
    """

    norm: Callable | None = layers.BatchNorm


INPUT = (IMAGE_SIZE, IMAGE_SIZE, 3)
COLUMNS = {
    "vgg11": "A",
    "vgg11_lrn": "A-LRN",
    "vgg13": "B",
    "vgg16_c": "C",
    "vgg16": "D",
    "vgg19": "E",
}
BATCH_NORMALIZED = ("vgg11", "vgg13", "vgg16", "vgg19")
NETWORKS = {
    **{
        name: Network(
            functools.partial(VGG, column=column),
            SIMONYAN_2014.at(f"table 1, {column}"),
            INPUT,
            CLASSES,
        )
        for name, column in COLUMNS.items()
    },
    **{
        f"{name}_bn": Network(
            functools.partial(VGGBatchNorm, column=COLUMNS[name]),
            SIMONYAN_2014.at(f"table 1, {COLUMNS[name]} (batch-normalized, as torchvision has it)"),
            INPUT,
            CLASSES,
        )
        for name in BATCH_NORMALIZED
    },
}
