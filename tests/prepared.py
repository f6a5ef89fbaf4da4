"""All that a run does before its first step is compiled, and that step by its shapes."""

import jax
import numpy as np

from cnn_history import build
from cnn_history.datasets import statistics
from cnn_history.training import beginning, devices, setting


def prepare(config):
    """Return the shapes of the state after a step, and of its metrics. Nothing is compiled."""
    build.check(config)
    network, train, test = beginning.parts(config)
    shape = (config.image_size, config.image_size, train.shape[-1])
    kept = statistics.Statistics(np.zeros(shape, np.float32), np.eye(shape[-1]), 1)
    made = setting.make(config, network, train, lambda: kept, print, devices.mesh())
    state = jax.eval_shape(made.compiled.init)
    cursor = made.training.at(0, 1)
    batch = {"image": np.zeros((1, *test.shape), np.uint8), "label": np.zeros(1, np.int32)}
    jax.eval_shape(made.compiled.evaluate, state, batch)
    return jax.eval_shape(made.compiled.step, state, made.training.data, cursor)
