"""The small nets, with batch norm and without, that the study of it trains; compiled once each."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax

from cnn_history import initializers, layers
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.studies import course

DROPOUT = 0.5
BARE, NORMED = "neither", "batch norm"
PAIR = (BARE, NORMED)
NETS = {  # norm and dropout of each
    BARE: (None, 0.0),
    "dropout": (None, DROPOUT),
    NORMED: (layers.BatchNorm, 0.0),
    "both": (layers.BatchNorm, DROPOUT),
}


class Net(nn.Module):
    """VGG in small: stages of 3x3 convolutions, each with a pooling behind, and two
    fully-connected layers; `norm` before every activation.

    Attributes:
      norm: normalization `norm(name=, dtype=)(x, use_running_average=)`, or None.
      dropout: rate behind the first fully-connected layer.
      features: maps of each stage.
      hidden: units of the first fully-connected layer.
      convolutions: of each stage.
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
        return dense(course.CLASSES, name="fc2")(x)


class Lab(NamedTuple):
    """Data and nets, each compiled once, when it is first used.

    Attributes:
      train: (seed, rate, gain=1) -> updates, by net.
      test: variables -> (loss, error), by net.
      statistics: (variables, images) -> `batch_stats` of these images, of the net with batch norm.
      data: the training and the test images with their labels.
      steps: updates of a training.
      seeds: trainings of each kind.
    """

    train: dict[str, course.Course]
    test: dict[str, Callable]
    statistics: Callable
    data: tuple[course.Data, course.Data]
    steps: int
    seeds: int


def lab(
    dataset: str,
    image_size: int,
    examples: int,
    convolutions: int,
    steps: int,
    batch_size: int,
    seeds: int,
) -> Lab:
    """Return what is measured with; the arguments are those of the study."""
    train, test = course.images(dataset, image_size, examples)
    nets = {name: Net(*kind, convolutions=convolutions) for name, kind in NETS.items()}
    return Lab(
        train={name: course.trainer(net, train, batch_size) for name, net in nets.items()},
        test={name: course.tester(net, test) for name, net in nets.items()},
        statistics=course.batch_statistics(nets[NORMED]),
        data=(train, test),
        steps=steps,
        seeds=seeds,
    )
