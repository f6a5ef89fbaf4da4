"""A small network, and its loss as a function of one vector of parameters."""

from collections.abc import Callable

import flax.linen as nn
import jax
from jax.flatten_util import ravel_pytree

from cnn_history import initializers
from cnn_history.studies.data import digits
from cnn_history.studies.train import mean_cross_entropy

CLASSES = 10
Loss = Callable[[jax.Array, jax.Array], jax.Array]


class Net(nn.Module):
    """Layers of tanh units and a linear classifier; with one layer of 32 units, 2,410 parameters.

    Attributes:
      hidden: units of each hidden layer.
    """

    hidden: tuple[int, ...] = (32,)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """[n, h, w, c] -> [n, 10]; `train` has no effect."""
        del train
        x = x.reshape(len(x), -1)
        for units in self.hidden:
            x = nn.tanh(nn.Dense(units, kernel_init=initializers.xavier())(x))
        return nn.Dense(CLASSES, kernel_init=initializers.xavier())(x)


def problem() -> tuple[Callable[[int], jax.Array], Loss, int]:
    """Return seed -> initial parameters [2410], the loss, and the number of training images.

    The loss is (parameters, indices of images) -> mean cross-entropy on those images.
    """
    pixels, labels = digits()

    def init(seed):
        params = Net(parent=None).init(jax.random.key(seed), pixels[:1])
        return jax.tree.map(lambda p: p.astype(pixels.dtype), params)

    _, unravel = ravel_pytree(init(0))

    def loss(w, chosen):
        return mean_cross_entropy(Net().apply(unravel(w), pixels[chosen]), labels[chosen])

    return lambda seed: ravel_pytree(init(seed))[0], loss, len(labels)
