"""All that a run does before its first step is compiled, and that step by its shapes."""

import jax
import numpy as np

from cnn_history import build
from cnn_history.datasets import statistics
from cnn_history.training import devices, feed, program


def check(config):
    """Build the parts of a config but its data: raise UserError where its fields are wrong."""
    build.check(config)
    build.optimizer(config, build.schedule(config))
    for part in (build.loss, build.evaluated, build.images):
        part(config)
    network = build.model(config, num_classes=10)
    if config.statistics_batches:
        build.of_last_batch(network)


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
