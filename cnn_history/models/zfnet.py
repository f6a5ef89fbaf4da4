"""ZFNet: Zeiler, Fergus 2013, "Visualizing and understanding convolutional networks",
arXiv:1311.2901, fig. 3.

`zfnet` is the network of fig. 3. `zfnet_b` has 512, 1024 and 512 maps in layers 3 to 5 (table 2,
"(b)"); lectures call it ZFNet.
"""

import functools
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.network import Dropout, FittedClassifier, Network
from cnn_history.models.trunk import Convolution, trunk
from cnn_history.papers import ZEILER_2013

# Fig. 3, layers 1 to 5.
FIGURE_3 = (
    Convolution("conv1", 96, 7, 2, 1, then=("pool", "norm")),
    Convolution("conv2", 256, 5, 2, 0, then=("pool", "norm")),
    Convolution("conv3", 384, 3, 1, 1),
    Convolution("conv4", 384, 3, 1, 1),
    Convolution("conv5", 256, 3, 1, 1, then=("pool",)),
)
# Table 2, "(b)": layers 3, 4 and 5 have 512, 1024 and 512 maps.
VARIANT_B = (
    *FIGURE_3[:2],
    Convolution("conv3", 512, 3, 1, 1),
    Convolution("conv4", 1024, 3, 1, 1),
    Convolution("conv5", 512, 3, 1, 1, then=("pool",)),
)
FC6 = FC7 = 4096
CLASSES = 1000

IMAGE_SIZE = 224


class ZFNet(FittedClassifier):
    """Five convolutions and three fully-connected layers; logits, before the softmax.

    62,357,608 parameters; 107,627,624 with the maps of variant (b).

    Readings of fig. 3: conv1 is padded by 1 (224 -> 110); pooling rounds up (110 -> 55, 26 -> 13);
    "contrast normalized across feature maps" is local response normalization with the constants of
    Krizhevsky et al. 2012, after the pooling. Sec. 3: "all weights are initialized to 10^-2" is
    read as the standard deviation, because equal weights would stay equal.

    Every convolution keeps its bias with every `norm`, because normalization follows the activation
    and does not cancel a bias.

    Attributes:
      convolutions: the table of the network.
      norm: the layer at the paper's two contrast normalizations, `norm(name=, dtype=)(x,
        use_running_average=)`, or None.
      dropout: rate on fc6 and fc7.
      fit_classifier: whether fc6 is sized for the map that it receives; images from 47x47.
    """

    convolutions: tuple[Convolution, ...]
    num_classes: int = CLASSES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.gaussian(0.01)
    norm: Callable | None = layers.LocalResponseNorm
    activation: Callable = nn.relu
    dropout: Dropout = 0.5
    fit_classifier: bool = False

    classifier: ClassVar[str] = "fc8"
    window: ClassVar[tuple[int, int]] = (6, 6)
    smallest: ClassVar[int] = 207
    smallest_fitted: ClassVar[int] = 47

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], of side `smallest` or more -> logits [n, num_classes], float32 or wider."""
        self.check(images, "ZFNet")
        x = trunk(self, images, train, ceil_mode=True)
        x = self.activation(self.first_fully_connected(x, FC6, "fc6"))
        x = self.drop(x, train, "drop6")
        x = self.activation(self.dense(FC7, name="fc7")(x))
        x = self.drop(x, train, "drop7")
        return self.mean_over_positions(self.dense(self.num_classes, name="fc8")(x))


INPUT = (IMAGE_SIZE, IMAGE_SIZE, 3)
NETWORKS = {
    "zfnet": Network(
        functools.partial(ZFNet, convolutions=FIGURE_3), ZEILER_2013.at("fig. 3"), INPUT, CLASSES
    ),
    "zfnet_b": Network(
        functools.partial(ZFNet, convolutions=VARIANT_B),
        ZEILER_2013.at("table 2, (b)"),
        INPUT,
        CLASSES,
    ),
}
