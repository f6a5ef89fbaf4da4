"""LeNet-5: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11), fig. 2 and sec. II-B.

`lenet5_1998` is the paper's network. `lenet5` is the one that lectures draw: every C3 map reads
every S2 map, pooling has no parameters, and a fully-connected layer of logits replaces the radial
basis functions.
"""

import functools
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import initializers, layers
from cnn_history.models.network import Classifier, Network, check_size
from cnn_history.papers import LECUN_1998

# Maps and units of fig. 2.
C1, C3, C5, F6, CLASSES = 6, 16, 120, 84, 10
IMAGE_SIZE = 32

# Table I: the S2 maps that each C3 map reads.
C3_INPUTS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# Fig. 3: the 7x12 bitmap that is F6's target for each digit; # is +1, . is -1.
BITMAPS = """
.#####.  ...##..  .#####.  #######  .#####.  .#####.  ..####.  #######  .#####.  .#####.
.......  ..###..  .......  .....##  .......  .......  .##....  .....##  ##...##  ##..###
..###..  .####..  .#####.  ....##.  .......  #######  ##.....  .....##  ##...##  ##...##
.##.##.  ...##..  ##...##  ...##..  .##..##  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  #....##  ..####.  .##..##  ##.....  ######.  ...##..  .#####.  ##..###
##...##  ...##..  ....##.  .....##  ###..##  .####..  ###..##  ...##..  ##...##  .######
##...##  ...##..  ..###..  .....##  ##...##  ..####.  ##...##  ..##...  ##...##  .....##
##...##  ...##..  .##....  .....##  ##...##  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ##..###  ##...##  ###..##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  .######  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
.......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
"""


def rbf_codes() -> np.ndarray:
    """Return the codes of fig. 3, [10, 84], of ±1: each bitmap row by row from the top."""
    rows = [line.split() for line in BITMAPS.split("\n") if line]
    digits = ["".join(row[digit] for row in rows) for digit in range(CLASSES)]
    return np.array([[1.0 if dot == "#" else -1.0 for dot in digit] for digit in digits])


class LeNet5(Classifier):
    """The lecture's LeNet-5: CONV-POOL-CONV-POOL-FC-FC and an output layer; 61,706 parameters.

    Departures from the paper: full C3, average pooling without parameters, linear output for
    softmax, the squashing function after each layer except pooling and output, the lecture's Xavier
    initialization.
    """

    num_classes: int = CLASSES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.xavier()
    activation: Callable = layers.scaled_tanh

    classifier: ClassVar[str] = "fc5"

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], h and w at least 32 -> logits [n, num_classes], float32 or wider."""
        del train  # nothing in this network differs between training and inference
        check_size(images, IMAGE_SIZE, "lenet5")
        x = self.activation(self.conv(C1, (5, 5), padding="VALID", name="conv1")(images))
        x = layers.AvgPool((2, 2), (2, 2), name="pool1")(x)
        x = self.activation(self.conv(C3, (5, 5), padding="VALID", name="conv2")(x))
        x = layers.AvgPool((2, 2), (2, 2), name="pool2")(x)
        x = self.activation(self.fully_connected(C5, (5, 5), name="fc3")(x))
        x = self.activation(self.dense(F6, name="fc4")(x))
        return self.mean_over_positions(self.dense(self.num_classes, name="fc5")(x))


class LeNet51998(Classifier):
    """LeNet-5 as published: 60,000 trainable parameters; logits are negative RBF distances.

    C3 is connected by table I, S2 and S4 are trained, the ten codes of fig. 3 are fixed, and every
    layer up to F6 ends in the squashing function, S2 and S4 included (sec. II-B).
    """

    num_classes: int = CLASSES
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable = initializers.lecun_1998()
    activation: Callable = layers.scaled_tanh

    classifier: ClassVar[str] = "output"

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c], h and w at least 32 -> negative distances [n, 10], float32 or wider.

        Raises ValueError unless there are 10 classes: codes exist only for the digits.
        """
        del train
        if self.num_classes != CLASSES:
            raise ValueError(
                f"lenet5_1998 has codes for the ten digits only, got {self.num_classes} classes; "
                f"lenet5 takes any number."
            )
        check_size(images, IMAGE_SIZE, "lenet5_1998")
        subsampling = functools.partial(layers.TrainableSubsampling, self.kernel_init, self.dtype)
        c3 = layers.PartialConv(C3_INPUTS, (5, 5), self.kernel_init, self.dtype, name="c3")
        x = self.activation(self.conv(C1, (5, 5), padding="VALID", name="c1")(images))
        x = self.activation(subsampling(name="s2")(x))
        x = self.activation(c3(x))
        x = self.activation(subsampling(name="s4")(x))
        x = self.activation(self.fully_connected(C5, (5, 5), name="c5")(x))
        x = self.activation(self.dense(F6, name="f6")(x))
        return self.mean_over_positions(layers.RBFOutput(rbf_codes(), name="output")(x))


INPUT = (IMAGE_SIZE, IMAGE_SIZE, 1)
NETWORKS = {
    "lenet5": Network(LeNet5, LECUN_1998.at("(as lectures draw it)"), INPUT, CLASSES),
    "lenet5_1998": Network(LeNet51998, LECUN_1998.at(), INPUT, CLASSES),
}
