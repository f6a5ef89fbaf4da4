"""AlexNet: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional
neural networks", sec. 3 and fig. 2.

`alexnet_2012` is the paper's network, with two groups of channels for its two GPUs. `alexnet` is
the simplified network of lectures. `alexnet_owt` is torchvision's, after Krizhevsky 2014, "One
weird trick for parallelizing convolutional neural networks", arXiv:1404.5997.
"""

import functools
from collections.abc import Callable
from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.choices import whole
from cnn_history.models.network import Dropout, FittedClassifier, Network, check_size
from cnn_history.models.trunk import Convolution, trunk
from cnn_history.papers import KRIZHEVSKY_2012, KRIZHEVSKY_2014

# Sec. 3.5 and fig. 2; split: "the kernels of the second, fourth, and fifth convolutional layers
# are connected only to those kernel maps in the previous layer which reside on the same GPU".
# Sec. 5: biases of those three and of the hidden fully-connected layers start from 1.
PAPER = (
    Convolution("conv1", 96, 11, 4, 0, False, 0.0, ("norm", "pool")),
    Convolution("conv2", 256, 5, 1, 2, True, 1.0, ("norm", "pool")),
    Convolution("conv3", 384, 3, 1, 1, False, 0.0, ()),
    Convolution("conv4", 384, 3, 1, 1, True, 1.0, ()),
    Convolution("conv5", 256, 3, 1, 1, True, 1.0, ("pool",)),
)
# The lecture's: pooling before normalization; one group in every layer unless `groups` is 2.
LECTURE = (
    PAPER[0]._replace(then=("pool", "norm")),
    PAPER[1]._replace(then=("pool", "norm")),
    *PAPER[2:],
)
# torchvision's: one tower, fewer maps.
ONE_TOWER = (
    Convolution("conv1", 64, 11, 4, 2, False, 0.0, ("norm", "pool")),
    Convolution("conv2", 192, 5, 1, 2, False, 1.0, ("norm", "pool")),
    Convolution("conv3", 384, 3, 1, 1, False, 0.0, ()),
    Convolution("conv4", 256, 3, 1, 1, False, 1.0, ()),
    Convolution("conv5", 256, 3, 1, 1, False, 1.0, ("pool",)),
)
FC6 = FC7 = 4096
FC_BIAS = 1.0
CLASSES = 1000

IMAGE_SIZE = 227
ONE_TOWER_IMAGE_SIZE = 224
ONE_TOWER_SMALLEST = 63  # pool5 still has a position


class AlexNet(FittedClassifier):
    """Five convolutions and three fully-connected layers; logits, before the softmax.

    `alexnet_2012`: 60,965,224 parameters. Readings of the paper: its 224x224 images give 54.25
    positions ((224 - 11) / 4 + 1), so we use 227x227, which give the 55 of its fig. 2; dropout
    scales by 2 in training instead of by 0.5 in testing.

    `alexnet`: 62,378,344 parameters. The lecture's departures: no groups (the paper has two in
    conv2, conv4 and conv5); pooling before normalization (the paper normalizes first). With
    `groups=2` it is CaffeNet, 60,965,224 parameters.

    Caffe's releases of AlexNet and CaffeNet normalize with k=1 and alpha=1e-4 times the mean over 5
    maps, which is 2e-5 times the paper's sum. An import chooses `norm` with `k=1, alpha=2e-5`. With
    the paper's constants (2 and 1e-4) their logits are 64 % off.

    Every convolution keeps its bias with every `norm`, because normalization follows the activation
    and does not cancel a bias.

    Attributes:
      convolutions: the table of the network.
      groups: number of groups of maps in conv2, conv4 and conv5, 1 or 2.
      norm: the layer at the paper's two local response normalizations, `norm(name=, dtype=)(x,
        use_running_average=)`, or None.
      dropout: rate on fc6 and fc7.
      fit_classifier: whether fc6 is sized for the map that it receives; images from 67x67.
    """

    convolutions: tuple[Convolution, ...]
    groups: Annotated[int, whole(1, 2)] = 1
    num_classes: int = CLASSES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.gaussian(0.01)
    norm: Callable | None = layers.LocalResponseNorm
    activation: Callable = nn.relu
    dropout: Dropout = 0.5
    fit_classifier: bool = False

    classifier: ClassVar[str] = "fc8"
    window: ClassVar[tuple[int, int]] = (6, 6)
    smallest: ClassVar[int] = IMAGE_SIZE
    smallest_fitted: ClassVar[int] = 67

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], of side `smallest` or more -> logits [n, num_classes], float32 or wider."""
        self.check(images, "this AlexNet")
        bias = initializers.constant(FC_BIAS)
        x = trunk(self, images, train, self.groups)
        x = self.activation(self.first_fully_connected(x, FC6, "fc6", bias_init=bias))
        x = self.drop(x, train, "drop6")
        x = self.activation(self.dense(FC7, bias_init=bias, name="fc7")(x))
        x = self.drop(x, train, "drop7")
        return self.mean_over_positions(self.dense(self.num_classes, name="fc8")(x))


class AlexNetOWT(AlexNet):
    """torchvision's AlexNet, 61,100,840 parameters; no normalization unless `norm` is given.

    Krizhevsky 2014 describes one tower without a table. The numbers of maps are torchvision's, and
    so are the departures from 2012: no local response normalization; 224x224 images padded by 2;
    dropout before fc6 and fc7, not after them; pool5 averaged adaptively to 6x6, so that images of
    any size from 63x63 give one position.
    Reading: kernels and biases are initialized as in 2012 (torchvision: uniform, ±1/sqrt(fan_in)).
    """

    norm: Callable | None = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], h and w at least 63 -> logits [n, num_classes], float32 or wider."""
        check_size(images, ONE_TOWER_SMALLEST, "alexnet_owt")
        bias = initializers.constant(FC_BIAS)
        x = trunk(self, images, train)
        x = layers.AdaptiveAvgPool(self.window, name="avgpool")(x)
        x = self.drop(x, train, "drop6")
        x = self.activation(self.fully_connected(FC6, self.window, bias_init=bias, name="fc6")(x))
        x = self.drop(x, train, "drop7")
        x = self.activation(self.dense(FC7, bias_init=bias, name="fc7")(x))
        return self.mean_over_positions(self.dense(self.num_classes, name="fc8")(x))


INPUT = (IMAGE_SIZE, IMAGE_SIZE, 3)
ONE_TOWER_INPUT = (ONE_TOWER_IMAGE_SIZE, ONE_TOWER_IMAGE_SIZE, 3)
NETWORKS = {
    "alexnet": Network(
        functools.partial(AlexNet, convolutions=LECTURE),
        KRIZHEVSKY_2012.at("(as lectures draw it)"),
        INPUT,
        CLASSES,
    ),
    "alexnet_2012": Network(
        functools.partial(AlexNet, convolutions=PAPER, groups=2),
        KRIZHEVSKY_2012.at(),
        INPUT,
        CLASSES,
    ),
    "alexnet_owt": Network(
        functools.partial(AlexNetOWT, convolutions=ONE_TOWER, groups=1, fit_classifier=False),
        KRIZHEVSKY_2014.at("(as torchvision has it)"),
        ONE_TOWER_INPUT,
        CLASSES,
    ),
}
