"""Our side: the project's own networks, optimizer and step, compiled as `train` compiles them."""

import dataclasses
import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import build, models, optimizers
from cnn_history.benchmarks import cases
from cnn_history.training import losses
from cnn_history.training.state import State
from cnn_history.training.step import train_step


@dataclasses.dataclass(frozen=True)
class Ours:
    """A compiled case.

    Attributes:
      run: makes that many steps, and returns when they are done.
      compile_seconds: from the traced function to the program.
      memory: bytes of the program's arguments, results and temporaries at once.
      parameters: of the network.
    """

    run: Callable[[int], None]
    compile_seconds: float
    memory: int
    parameters: int


def make(case: cases.Case) -> Ours:
    """Return a case with one batch, compiled."""
    network = models.create(case.network, dtype=build.DTYPES[case.dtype])
    images, labels = jax.device_put(one_batch(case))
    init = jax.jit(functools.partial(network.init, train=False))
    variables = dict(init(jax.random.key(0), images[:1]))
    parameters = sum(p.size for p in jax.tree.leaves(variables["params"]))
    if case.mode == "inference":
        predict = jax.jit(functools.partial(network.apply, train=False))
        compiled, seconds = _compile(predict, variables, images)

        def run(count: int) -> None:
            for _ in range(count):
                logits = compiled(variables, images)
            jax.block_until_ready(logits)

        return Ours(run, seconds, _memory(compiled), parameters)

    rule = optimizers.momentum(cases.LEARNING_RATE, cases.DECAY)
    optimizer = optimizers.add_l2(rule, cases.WEIGHT_DECAY, build.DECAYED["all"])
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
    given = {"image": images, "label": labels}
    compiled, seconds = _compile(
        jax.jit(update, donate_argnums=0), state, {**given, "step": np.int32(0)}
    )
    made = 0

    def run(count: int) -> None:
        nonlocal state, made
        for _ in range(count):
            state, metrics = compiled(state, {**given, "step": np.int32(made)})
            made += 1
        assert jax.block_until_ready(metrics)["applied"], "a step was not applied"
        jax.block_until_ready(state)

    return Ours(run, seconds, _memory(compiled), parameters)


def one_batch(case: cases.Case) -> tuple[np.ndarray, np.ndarray]:
    """Return images [n, h, w, c], normal, and labels [n], both at random."""
    info, draw = models.info(case.network), np.random.default_rng(0)
    images = draw.standard_normal((case.batch, *info.input), np.float32)
    return images, draw.integers(0, info.classes, case.batch).astype(np.int32)


def _compile(function, *arguments):
    began = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    return compiled, time.perf_counter() - began


def _memory(compiled) -> int:
    found = compiled.memory_analysis()
    arguments = found.argument_size_in_bytes + found.output_size_in_bytes
    return arguments + found.temp_size_in_bytes - found.alias_size_in_bytes
