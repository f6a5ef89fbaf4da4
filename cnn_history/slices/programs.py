"""The programs that `train` would run on a mesh, traced with shapes instead of data."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from cnn_history.datasets.statistics import Statistics
from cnn_history.experiment import Experiment
from cnn_history.training import devices, feed, program

PROGRAMS = ("step", "steps", "evaluate", "init")


def state(experiment: Experiment, mesh: jax.sharding.Mesh) -> Any:
    """Return the state of a run as shapes, dtypes and shardings."""
    return _made(experiment, mesh)[0].abstract


def traced(
    experiment: Experiment, mesh: jax.sharding.Mesh
) -> dict[str, Callable[[], jax.stages.Traced]]:
    """Return functions that trace each program of a run, by name in PROGRAMS.

    `steps`, a scan, exists if `train` makes several steps per call. The data's mean image, a
    constant in a program, is zero here.
    """
    made, takes = _made(experiment, mesh)
    split = devices.over_batch(mesh)
    batch = devices.rounded_up(experiment.plan.eval_batch_size, mesh)
    size, test = experiment.size, experiment.test
    streamed = feed.examples.streamed(test)
    shape = (size, size, test.shape[-1]) if streamed else test.shape
    tested = {
        "image": jax.ShapeDtypeStruct((batch, *shape), np.uint8, sharding=split),
        "label": jax.ShapeDtypeStruct((batch,), np.int32, sharding=split),
    }

    def several():
        return made.steps.trace(made.abstract, *takes.shapes(takes.stride))

    programs = {"step": lambda: made.step.trace(made.abstract, *_one(takes))}
    if takes.stride > 1:
        programs["steps"] = several
    programs["evaluate"] = lambda: made.evaluate.trace(made.abstract, tested)
    programs["init"] = made.init.trace
    return programs


def _one(takes: feed.Takes) -> tuple[dict, dict]:
    return takes.shapes(1)


def _made(experiment: Experiment, mesh: jax.sharding.Mesh) -> tuple[program.Program, feed.Takes]:
    takes = feed.abstract(experiment, mesh)
    images = experiment.images(lambda: unmeasured(experiment))
    return program.make(experiment, images, takes, mesh), takes


def unmeasured(experiment: Experiment) -> Statistics:
    """Return statistics of the right shapes, without images."""
    size, channels = experiment.size, experiment.train.shape[-1]
    mean, covariance = np.zeros((size, size, channels)), np.eye(channels)
    return Statistics(mean.astype(np.float32), covariance.astype(np.float32), 0)
