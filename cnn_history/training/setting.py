"""What a run is made of, put together: its program, its feed, and what is done to images."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import ml_collections

from cnn_history import build
from cnn_history.datasets import Source, stream
from cnn_history.datasets.augment import Augmentation
from cnn_history.datasets.preprocessing import Preprocessing
from cnn_history.datasets.statistics import Statistics
from cnn_history.training import feed, keys, program


class Setting(NamedTuple):
    """The parts."""

    compiled: program.Program
    training: feed.Feed
    preprocessing: Preprocessing
    augmentation: Augmentation


def make(
    config: ml_collections.ConfigDict,
    network: nn.Module,
    train: Source,
    statistics: Callable[[], Statistics],
    skip: stream.Skip,
    mesh: jax.sharding.Mesh,
) -> Setting:
    """Return the setting of a config.

    Args:
      config: of the run.
      network: that is trained.
      train: the training examples.
      statistics: measures them, where scaling or augmentation need it.
      skip: is told of images that cannot be decoded.
      mesh: of the devices.
    """
    preprocessing = build.scaling(config)(statistics, config.image_size, config.adapter)
    augmentation = build.augmentation(config)(statistics, config.image_size)
    training = feed.feed(train, config, keys.keys(config.seed), augmentation.crop, skip, mesh)
    compiled = program.make(
        config, network, preprocessing, augmentation, training, train.shape[-1], mesh
    )
    return Setting(compiled, training, preprocessing, augmentation)
