"""The small nets that the study of batch normalization trains."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from cnn_history import initializers, layers, optimizers
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.studies.data import BOTH, images
from cnn_history.studies.train import tester, trainer, watching

CLASSES = 10
DROPOUT = 0.5
DECAY = 0.9  # of momentum, for all nets
BARE, NORMED = "neither", "batch norm"
PAIR = (BARE, NORMED)
NETS = {  # norm and dropout of each
    BARE: (None, 0.0),
    "dropout": (None, DROPOUT),
    NORMED: (layers.BatchNorm, 0.0),
    "both": (layers.BatchNorm, DROPOUT),
}


class Net(nn.Module):
    """A small VGG: stages of 3x3 convolutions, each followed by pooling, and two fully-connected
    layers, with `norm` before every activation.

    Attributes:
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
      dropout: rate after the first fully-connected layer.
      features: maps of each stage.
      hidden: units of the first fully-connected layer.
      convolutions: convolutions per stage.
    """

    norm: Callable | None = None
    dropout: float = 0.0
    features: tuple[int, ...] = (8, 16, 32)
    hidden: int = 32
    convolutions: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, 10]."""
        unit = ConvUnit(norm=self.norm)
        for i, maps in enumerate(self.features, start=1):
            for j in range(1, self.convolutions + 1):
                x = unit(x, maps, (3, 3), f"conv{i}_{j}", train=train)
            x = layers.MaxPool((2, 2), (2, 2), name=f"pool{i}")(x)
        x = x.reshape(len(x), -1)
        dense = functools.partial(nn.Dense, kernel_init=initializers.he())
        x = dense(self.hidden, use_bias=self.norm is None, name="fc1")(x)
        if self.norm is not None:
            x = self.norm(name="fc1_norm")(x, use_running_average=not train)
        x = nn.Dropout(self.dropout, deterministic=not train)(nn.relu(x))
        return dense(CLASSES, name="fc2")(x)


class Setup:
    """Data and nets; each net is compiled once, on first use. The arguments are those of the study.

    Attributes:
      train: results of `train.trainer` with a learning rate as the setting, by net.
      test: variables -> (loss, error), by net.
      statistics: (variables, images) -> `batch_stats` of these images, for the net with batch norm.
      data: training images and test images, each with labels.
      steps: updates per run.
      seeds: runs of each kind.
    """

    def __init__(
        self,
        dataset: str,
        image_size: int,
        examples: int,
        convolutions: int,
        steps: int,
        batch_size: int,
        seeds: int,
    ):
        self.data = images(dataset, image_size, examples, BOTH, CLASSES)
        self.steps, self.seeds = steps, seeds
        learned, tested = self.data
        rule, observe = functools.partial(optimizers.momentum, decay=DECAY), watching(kernels_rms)
        nets = {name: Net(*kind, convolutions=convolutions) for name, kind in NETS.items()}
        self.train = {
            name: trainer(net, rule, learned, batch_size, observe=observe)
            for name, net in nets.items()
        }
        self.test = {name: tester(net, tested) for name, net in nets.items()}
        self.statistics = batch_statistics(nets[NORMED])


def kernels_rms(gradient: Any) -> dict[str, jax.Array]:
    """Return the root mean square of each kernel's gradient, by the layer's name."""
    return {
        name.removesuffix("/kernel"): jnp.sqrt(jnp.mean(jnp.square(leaf)))
        for name, leaf in flatten_dict(gradient, sep="/").items()
        if name.endswith("/kernel")
    }


def batch_statistics(network: nn.Module) -> Callable[[Any, jax.Array], Any]:
    """Return (variables, images) -> `batch_stats` of these images alone."""
    network = network.clone(norm=layers.of_last_batch(network.norm))

    @jax.jit
    def of(variables, images):
        rngs = {"dropout": jax.random.key(0)}
        kept = network.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])[1]
        return kept["batch_stats"]

    return of
