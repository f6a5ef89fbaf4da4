"""This project's networks, optimizer and step, compiled as in `train`."""

import functools
import time
import types
from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from cnn_history import build, commands, losses, models, optimizers
from cnn_history.benchmarks.cases import DECAY, LEARNING_RATE, RESIDENT, WEIGHT_DECAY, Case
from cnn_history.cpu import compiler
from cnn_history.datasets import Source, examples
from cnn_history.datasets.prepare import Images
from cnn_history.experiment import Experiment
from cnn_history.training import devices, feed, program
from cnn_history.training.state import State
from cnn_history.training.step import train_step

Options = Mapping[str, str | bool | int]  # XLA options
NONE: Options = types.MappingProxyType({})


class Ours(NamedTuple):
    """A compiled case.

    Attributes:
      run: calls the program a given number of times, and returns when all are done.
      steps: steps per call.
      compile_seconds: time to trace and compile.
      compiled: the program.
      parameters: parameters of the network.
      optimizer_bytes: size of the optimizer's state; 0 without one.
    """

    run: Callable[[int], None]
    steps: int
    compile_seconds: float
    compiled: jax.stages.Compiled
    parameters: int
    optimizer_bytes: int = 0

    @property
    def memory(self) -> int:
        """Bytes of the program's arguments, results and temporaries together."""
        found = self.compiled.memory_analysis()
        arguments = found.argument_size_in_bytes + found.output_size_in_bytes
        return arguments + found.temp_size_in_bytes - found.alias_size_in_bytes


def make(case: Case, options: Options = NONE, stride: int | None = None, unroll: int = 1) -> Ours:
    """Compile a case.

    Args:
      case: the case to measure.
      options: XLA options, in addition to those of every run.
      stride: steps per call if the data are resident; None for as many as in a run.
      unroll: unrolled iterations of the loop over steps.
    """
    if case.data == "resident":
        config, source = cifar10(case), noise(case)
        return of(build.experiment(config, data=(source, source)), options, stride, unroll)
    network = models.create(case.network, dtype=build.DTYPES[case.dtype])
    images, labels = jax.device_put(at_random(case))
    init = jax.jit(functools.partial(network.init, train=False))
    variables = dict(init(jax.random.key(0), images[:1]))
    if case.mode == "train":
        return _training(network, variables, {"image": images, "label": labels}, options)
    own = compiler.options(jax.default_backend(), training=False)
    predict = jax.jit(functools.partial(network.apply, train=False), compiler_options=own)
    compiled, seconds = _compile(predict, options, variables, images)

    def run(count: int) -> None:
        for _ in range(count):
            logits = compiled(variables, images)
        jax.block_until_ready(logits)

    return Ours(run, 1, seconds, compiled, optax.tree.size(variables["params"]))


def at_random(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return random images [n, h, w, c] and labels [n]: a batch, or the resident data set.

    A batch is float32, drawn from N(0, 1); a data set is uint8.
    """
    info, draw = models.info(case.network), np.random.default_rng(0)
    if case.data == "resident":
        images = draw.integers(0, 256, (RESIDENT, *info.input)).astype(np.uint8)
    else:
        images = draw.standard_normal((case.batch, *info.input), np.float32)
    return images, draw.integers(0, info.classes, len(images)).astype(np.int32)


def cifar10(case: Case) -> ConfigDict:
    """Return the config of the CIFAR-10 recipe for residual networks, for a case."""
    config = commands.read_config(f"{commands.CHECKOUT}/experiments/resnet_cifar10.py")
    config.model.name = case.network
    config.update(batch_size=case.batch, dtype=case.dtype)
    return config


def noise(case: Case) -> Source:
    """Return the images and labels of `at_random` as a source."""
    images, labels = at_random(case)
    return Source(
        name="noise",
        split="train",
        classes=tuple(map(str, range(models.info(case.network).classes))),
        shape=images.shape[1:],
        size=len(labels),
        read=lambda indices: (images[indices], labels[indices]),
    )


def _training(network: nn.Module, variables: dict, batch: dict, options) -> Ours:
    """Compile steps of momentum on one batch, with the step of `train`."""
    rule = optimizers.momentum(LEARNING_RATE, DECAY)
    optimizer = optimizers.add_l2(rule, WEIGHT_DECAY, optimizers.DECAYED["all"])
    update = functools.partial(
        train_step,
        apply=network.apply,
        loss=losses.cross_entropy(),
        optimizer=optimizer,
        applied_rate=optimizers.applied_rate,
    )
    params = variables.pop("params")
    step, skipped = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    state = State(step, params, variables, optimizer.init(params), jax.random.key(1), skipped)
    own = compiler.options(jax.default_backend(), training=True)
    made = jax.jit(update, donate_argnums=0, compiler_options=own)
    return _steps(made, options, state, lambda at: ({**batch, "step": np.int32(at)},))


def _steps(
    advance: Callable, options, state: State, given: Callable[[int], tuple], steps: int = 1
) -> Ours:
    """Compile `advance`: (state, *given(position)) -> the state after `steps` more steps."""
    parameters, at = optax.tree.size(state.params), 0
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state.opt_state))
    compiled, seconds = _compile(advance, options, state, *given(0))

    def run(count: int) -> None:
        nonlocal state, at
        for _ in range(count):
            state, metrics = compiled(state, *given(at))
            at += steps
        # A refused step costs as much as an applied one, but must not count.
        assert jax.block_until_ready(metrics)["applied"].all(), "a step was not applied"
        jax.block_until_ready(state)

    return Ours(run, steps, seconds, compiled, parameters, held)


def of(
    experiment: Experiment, options: Options = NONE, stride: int | None = 1, unroll: int = 1
) -> Ours:
    """Compile an experiment on a resident data set; the arguments are those of `make`."""
    made, training, _ = parts(experiment, unroll)
    steps = stride or training.stride
    advance = made.steps if steps > 1 else made.step
    state = made.init()
    return _steps(advance, options, state, lambda i: (training.data, training.at(i, steps)), steps)


def parts(experiment: Experiment, unroll: int = 1) -> tuple[program.Program, feed.Feed, Images]:
    """Return program, feed and preprocessing of an experiment on a resident data set."""
    mesh, train = devices.mesh(), experiment.train
    sizes = experiment.size, experiment.adapter
    images = experiment.images(lambda: examples.measure(train, *sizes, skip=None))
    training = feed.feed(experiment, images, skip=None, mesh=mesh)
    return program.make(experiment, images, training, mesh, unroll), training, images


def _compile(function, options, *arguments):
    began = time.perf_counter()
    compiled = function.lower(*arguments).compile(dict(options))
    return compiled, time.perf_counter() - began
