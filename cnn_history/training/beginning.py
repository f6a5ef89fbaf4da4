"""Before the first step: a run's parts, checked; the state it starts from; what is said of it."""

import flax.linen as nn
import jax
import ml_collections

from cnn_history import build
from cnn_history.datasets import Source
from cnn_history.errors import UserError
from cnn_history.files import record, workdir
from cnn_history.files.checkpoint import Checkpoints
from cnn_history.training import devices, program
from cnn_history.training.state import State


def parts(config: ml_collections.ConfigDict) -> tuple[nn.Module, Source, Source]:
    """Return the network, and the training and test examples of a config.

    Raises UserError where one cannot be had, or they do not fit together; nothing is compiled.
    """
    train, test = build.sources(config)
    network = build.model(config, len(train.classes))
    build.check_input(network, config, train)
    for name in ("batch_size", "eval_batch_size"):
        if config[name] % jax.device_count():
            raise UserError(
                f"config.{name}: {config[name]} is no multiple of the {jax.device_count()} devices."
            )
    build.check_group(config, config.batch_size // jax.device_count())
    return network, train, test


def first_state(
    config: ml_collections.ConfigDict,
    compiled: program.Program,
    checkpoints: Checkpoints,
    num_classes: int,
    mesh: jax.sharding.Mesh,
) -> State:
    """Return the newest checkpoint's state, else a fresh one, from `config.init_from` if set.

    Raises UserError where the run is past `config.steps`, or no layer fits; Damaged where a
    checkpoint is.
    """
    latest = checkpoints.latest()
    if latest is None:
        state = compiled.init()
        if config.init_from:
            params = workdir.start_from(
                config.init_from, state.params, num_classes, config.init_layers
            )
            state = state.replace(params=jax.device_put(params, devices.replicated(mesh)))
        return state
    if latest > config.steps:
        raise UserError(
            f"config.steps: the run has made {latest} steps already, more than {config.steps}."
        )
    return checkpoints.restore(compiled.abstract)


def headline(
    config: ml_collections.ConfigDict, state: State, train: Source, test: Source, step: int
) -> str:
    """Return the line that a run begins with."""
    images = f"{len(train):,} training and {len(test):,} test images of {train.name}"
    resumed = f"; resuming at step {step:,}" if step else ""
    network = f"{config.model.name}, {parameters(state):,} parameters"
    return f"{network}, on {images}; {record.devices()}{resumed}"


def parameters(state: State) -> int:
    """Return how many parameters a network has."""
    return sum(p.size for p in jax.tree.leaves(state.params))
