"""Do everything that a run does before compiling its first step, and trace that step."""

from typing import Any

import flax.linen as nn
import jax
import numpy as np

from cnn_history import build
from cnn_history.datasets import Source, statistics
from cnn_history.training import devices, feed, program


class Unseen(nn.Module):
    """Stands for a network whose layers are not asked for: tracing large ones takes a second."""

    norm: Any = None

    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(10)(x.mean((1, 2)))


def check(config):
    """Build the experiment of a config on no data: raise UserError where its fields are wrong."""
    build.check(config)
    network = Unseen(getattr(build.model(config, num_classes=10), "norm", None))
    shape = (config.image_size, config.image_size, 3)
    fake = Source("none", "", tuple("0123456789"), shape, 640, read=None)
    return build.experiment(config, data=(fake, fake), network=network)


def prepare(config):
    """Return the shapes of the state after a step, and of its metrics. Nothing is compiled."""
    experiment, mesh = build.experiment(config), devices.mesh()
    shape = (experiment.size, experiment.size, experiment.train.shape[-1])
    kept = statistics.Statistics(np.zeros(shape, np.float32), np.eye(shape[-1]), 1)
    images = experiment.images(lambda: kept)
    training = feed.feed(experiment, images, print, mesh)
    compiled = program.make(experiment, images, training, mesh)
    state = jax.eval_shape(compiled.init)
    batch = {
        "image": np.zeros((1, *experiment.test.shape), np.uint8),
        "label": np.zeros(1, np.int32),
    }
    jax.eval_shape(compiled.evaluate, state, batch)
    return jax.eval_shape(compiled.step, state, training.data, training.at(0, 1))
