"""Helpers for tests of networks: sizes by tracing, which allocates no weights."""

import math
import re

import jax
import jax.numpy as jnp
from flax import traverse_util

from cnn_history import models


def shallow(network):
    """Return a residual network with one block of each stage, which is as deep as it has kinds."""
    blocks = getattr(network, "blocks", None)
    if blocks is None:
        return network
    return network.clone(blocks=1 if isinstance(blocks, int) else (1,) * len(blocks))


def _distinct() -> list[str]:
    """Return the names of the networks; of those that are the same when shallow, one.

    VGG's first column stands for its deeper ones, which are the same layers.
    """
    names = [name for name in reversed(models.NETWORKS) if not re.match("vgg1[369]", name)]
    return sorted({repr(shallow(models.create(name))): name for name in names}.values())


DISTINCT = _distinct()


def images(name: str, size: int | None = None, channels: int | None = None):
    """Return the shape of one of the network's own images as a batch, or of another one."""
    h, w, c = models.info(name).input
    return jax.ShapeDtypeStruct((1, size or h, size or w, channels or c), jnp.float32)


def variables(model, batch):
    """Return the shapes and dtypes of a model's variables for such a batch."""
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), batch)


def of_size(model, size: tuple[int, int, int]):
    """Return the shapes and dtypes of a model's variables for images of (h, w, c)."""
    return variables(model, jax.ShapeDtypeStruct((1, *size), jnp.float32))


def parameters(abstract) -> int:
    """Return the number of trained parameters."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract["params"]))


def outputs(model, batch, weights=None) -> dict[str, jax.ShapeDtypeStruct]:
    """Return shape and dtype of every layer's output by name, traced."""
    weights = variables(model, batch) if weights is None else weights
    return jax.eval_shape(lambda v, x: endpoints(model, v, x, train=False)[1], weights, batch)


def shapes(model, batch, weights=None) -> dict[str, tuple[int, ...]]:
    """Return the shape of every layer's output by name, without the batch."""
    return {n: leaf.shape[1:] for n, leaf in outputs(model, batch, weights).items()}


def endpoints(model, weights, x, **options):
    """Return the logits and the output of every layer by name; `options` are those of `apply`."""

    @jax.jit
    def run(weights, x):
        kept = {"capture_intermediates": True, "mutable": ["intermediates"]}
        return model.apply(weights, x, **options, **kept)

    logits, state = run(weights, x)
    captured = traverse_util.flatten_dict(state["intermediates"])
    return logits, {
        "/".join(path[:-1]): values[0]
        for path, values in captured.items()
        if path[-1] == "__call__" and path[:-1]
    }


def apply(model, weights, x, **options):
    """Return `model.apply` of it, compiled."""
    return jax.jit(lambda weights, x: model.apply(weights, x, **options))(weights, x)


def init(model, x):
    """Return the variables of a model, drawn in one compiled piece."""
    return jax.jit(lambda: model.init(jax.random.key(0), x, train=False))()


def gradient_sizes(model, params, x):
    """Return the largest absolute value of each parameter's gradient in training."""

    @jax.jit
    def sizes(params, x):
        def loss(params):
            logits = model.apply({"params": params}, x, train=True)
            return -jax.nn.log_softmax(logits)[:, 3].mean()

        return jax.tree.map(lambda g: jnp.abs(g).max(), jax.grad(loss)(params))

    return sizes(params, x)


def updated_statistics(model, weights, x) -> set[str]:
    """Return the normalizations whose running mean and variance a pass in training changes."""
    run = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"])[1])
    updated = run(weights, x)["batch_stats"]
    return {
        name
        for name, before in weights["batch_stats"].items()
        if all(jnp.any(updated[name][leaf] != before[leaf]) for leaf in before)
    }
