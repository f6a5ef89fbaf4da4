"""Network in network: Lin, Chen, Yan 2013, arXiv:1312.4400, fig. 2 and sec. 4.

The paper prints no sizes. `nin` is the authors' network for CIFAR-10 as they released it for Caffe,
with that release's layer names: "cccp" (cascaded cross-channel parametric pooling, sec. 3.1) is a
1x1 convolution.
"""

from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import initializers, layers
from cnn_history.models.network import Classifier, Dropout, Network, check_size, normalize, wide
from cnn_history.papers import LIN_2013

# The release: blocks ("mlpconv", fig. 1b) of (name, maps, kernel), and the pooling after each.
BLOCKS = (
    ((("conv1", 192, 5), ("cccp1", 160, 1), ("cccp2", 96, 1)), "max"),
    ((("conv2", 192, 5), ("cccp3", 192, 1), ("cccp4", 192, 1)), "avg"),
    ((("conv3", 192, 3), ("cccp5", 192, 1), ("cccp6", None, 1)), "all"),  # a map for each class
)
POOLS = {"max": layers.MaxPool, "avg": layers.AvgPool}
POOL, POOL_STRIDE = (3, 3), (2, 2)
DROPOUT = 0.5  # sec. 4.1: after all mlpconv layers except the last
STD = 0.05  # deviation of the initial kernels

IMAGE_SIZE, CLASSES = 32, 10
SMALLEST = 4  # pool2 still has a position


class NiN(Classifier):
    """Three mlpconv layers; the logits are the means of the last one's maps (sec. 3.2).

    966,986 parameters. As in the release, an activation follows each convolution, even that of the
    class maps, so no logit is negative; pooling rounds up (32 -> 16 -> 8); kernels are drawn from
    N(0, 0.05²) (the authors' earlier files for cuda-convnet have smaller deviations).

    Attributes:
      norm: normalization between each convolution and its activation, except for the class maps,
        `norm(name=, dtype=)(x, use_running_average=)`, or None. Convolutions keep their biases.
      dropout: rate after the first two poolings.
    """

    num_classes: int = CLASSES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.gaussian(STD)
    norm: Callable | None = None
    activation: Callable = nn.relu
    dropout: Dropout = DROPOUT

    classifier: ClassVar[str] = "cccp6"

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], h and w at least 4 -> logits [n, num_classes], float32 or wider."""
        check_size(images, SMALLEST, "nin")
        x = images
        for i, (convolutions, pool) in enumerate(BLOCKS, start=1):
            for name, maps, k in convolutions:
                x = self.conv(maps or self.num_classes, (k, k), padding=k // 2, name=name)(x)
                if name != self.classifier:
                    x = normalize(self, x, train, f"{name}_norm")
                x = self.activation(x)
            if pool in POOLS:
                x = POOLS[pool](POOL, POOL_STRIDE, ceil_mode=True, name=f"pool{i}")(x)
                x = self.drop(x, train, f"drop{i}")
        return self.mean_over_positions(wide(x), "pool3")


NETWORKS = {
    "nin": Network(
        NiN, LIN_2013.at("(as released for CIFAR-10)"), (IMAGE_SIZE, IMAGE_SIZE, 3), CLASSES
    ),
}
