"""The functions of a run, compiled for its mesh: pure, with the config bound in."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cnn_history import build, optimizers
from cnn_history.datasets import augment
from cnn_history.datasets.preprocessing import Preprocessing
from cnn_history.training import curvature, devices
from cnn_history.training.state import State
from cnn_history.training.step import train_step


class Keys(NamedTuple):
    """The random keys of a run, by use."""

    init: jax.Array
    order: jax.Array
    augment: jax.Array
    step: jax.Array


def keys(seed: int) -> Keys:
    """Return the keys of a seed."""
    return Keys(*jax.random.split(jax.random.key(seed), len(Keys._fields)))


class Program(NamedTuple):
    """The compiled functions.

    Data are `{"image": uint8 [n, h, w, c], "label": int32 [n]}`, whole on each device. A cursor
    says which of them a step takes: `{"ids": [batch], "epochs": [batch], "step": scalar}`.

    Attributes:
      init: () -> the first State.
      step: (state, data, cursor) -> (state, metrics); the state is donated.
      steps: the same over cursors with a leading axis, as one scan; metrics have that axis too.
      statistics: (state, data, cursor) -> the network's `batch_stats` of that batch alone.
      evaluate: (state, images uint8, labels) -> `{"probabilities": [n, classes], "loss": [n]}`.
    """

    init: Callable[[], State]
    step: Callable[..., tuple[State, dict]]
    steps: Callable[..., tuple[State, dict]]
    statistics: Callable[..., dict]
    evaluate: Callable[..., dict]


def make(
    config: ml_collections.ConfigDict,
    network: nn.Module,
    preprocessing: Preprocessing,
    channels: int,
    mesh: jax.sharding.Mesh,
) -> Program:
    """Return the program of a config."""
    key = keys(config.seed)
    optimizer, loss = build.optimizer(config), build.loss(config)
    augmentation = build.augmentation(config)
    update = functools.partial(
        train_step,
        apply=network.apply,
        loss=loss,
        optimizer=optimizer,
        applied_rate=optimizers.applied_rate,
    )

    def init() -> State:
        image = jnp.zeros((1, config.image_size, config.image_size, channels))
        variables = dict(network.init(key.init, image, train=False))
        params = variables.pop("params")
        zero = jnp.zeros((), jnp.int32)
        return State(zero, params, variables, optimizer.init(params), key.step)

    def step(state: State, data: dict, cursor: dict) -> tuple[State, dict]:
        return update(
            state,
            batch(data, cursor, preprocessing, augmentation, key.augment),
            extra={"curvature_fn": functools.partial(second_derivatives, state, data)},
        )

    def second_derivatives(state: State, data: dict, params: Any) -> Any:
        """The diagonal of the Hessian, on examples drawn for this step."""
        count = min(curvature.EXAMPLES, len(data["label"]))
        draw = jax.random.fold_in(jax.random.fold_in(state.key, state.step), curvature.EXAMPLES)
        ids = jax.random.choice(draw, len(data["label"]), (count,), replace=False)
        variables = {"params": params, **state.model_state}
        images, labels = preprocessing(data["image"][ids]), data["label"][ids]
        return curvature.diagonal(network.apply, loss, variables, images, labels)

    def steps(state: State, data: dict, cursors: dict) -> tuple[State, dict]:
        return jax.lax.scan(lambda state, cursor: step(state, data, cursor), state, cursors)

    def statistics(state: State, data: dict, cursor: dict) -> dict:
        images = batch(data, cursor, preprocessing, augmentation, key.augment)["image"]
        _, updated = build.of_last_batch(network).apply(
            {"params": state.params, **state.model_state},
            images,
            train=True,
            rngs={"dropout": jax.random.fold_in(state.key, cursor["step"])},
            mutable=["batch_stats"],
        )
        return updated["batch_stats"]

    def evaluate(state: State, images: jax.Array, labels: jax.Array) -> dict[str, jax.Array]:
        variables = {"params": state.params, **state.model_state}
        logits = network.apply(variables, preprocessing(images), train=False)
        return {"probabilities": jax.nn.softmax(logits), "loss": loss(logits, labels)}

    everywhere = devices.replicated(mesh)
    jit = functools.partial(jax.jit, out_shardings=everywhere)
    return Program(
        init=jit(init),
        step=jit(step, donate_argnums=0),
        steps=jit(steps, donate_argnums=0),
        statistics=jit(statistics),
        evaluate=jit(evaluate),
    )


def batch(
    data: dict, cursor: dict, preprocessing: Callable, augmentation: Callable, key: jax.Array
) -> dict[str, jax.Array]:
    """Return the batch that a cursor points at, as `train_step` takes it."""
    ids = cursor["ids"]
    images = preprocessing(data["image"][ids])
    images = augment.batch(augmentation, key, images, ids, cursor["epochs"])
    return {"image": images, "label": data["label"][ids], "step": cursor["step"]}


def cursor(order: Callable, start: int, count: int, batch_size: int, mesh: Any) -> dict:
    """Return the cursors of `count` steps from `start`, on the devices; without axis for one."""
    ids, epochs = order(start * batch_size, (start + count) * batch_size)
    shape = (count, batch_size) if count > 1 else (batch_size,)
    split = devices.over_batch(mesh, axis=len(shape) - 1)
    steps = np.arange(start, start + count, dtype=np.int32)
    return {
        "ids": devices.put(ids.reshape(shape), split),
        "epochs": devices.put(epochs.reshape(shape), split),
        "step": devices.put(steps if count > 1 else steps[0], devices.replicated(mesh)),
    }
