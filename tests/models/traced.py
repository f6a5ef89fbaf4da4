"""The layers of a network as it is traced: no arithmetic, no memory."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import layers

OPERATIONS = {
    nn.Conv: "conv",
    layers.Conv: "conv",
    nn.Dense: "fc",
    layers.FullyConnected: "fc",
    layers.MaxPool: "pool",
    layers.AvgPool: "pool",
    layers.AdaptiveAvgPool: "pool",
    layers.GlobalAvgPool: "gap",
    layers.LocalResponseNorm: "lrn",
}


class Row(NamedTuple):
    """A layer: its path, operation, (h, w, c) of its output, and its numbers of weights."""

    name: str
    operation: str
    output: tuple[int, int, int]
    weights: int
    biases: int

    @property
    def macs(self):
        return self.weights * math.prod(self.output[:2])


def trace(model, size, batch=1, **options):
    """Return the abstract variables of `model` for images (h, w, c) and its layers, heads too."""
    rows = []

    def watch(call, args, kwargs, context):
        y = call(*args, **kwargs)
        operation = OPERATIONS.get(type(context.module))
        if operation is not None and context.method_name == "__call__":
            params = context.module.variables.get("params", {})
            weights, biases = (params[p].size if p in params else 0 for p in ("kernel", "bias"))
            output = (*(y.shape[1:-1] or (1, 1)), y.shape[-1])
            rows.append(Row("/".join(context.module.path), operation, output, weights, biases))
        return y

    def init(key):
        return model.init(key, jnp.zeros((batch, *size)), train=False)

    with nn.intercept_methods(watch):
        variables = jax.eval_shape(init, jax.random.key(0))
    return variables, rows


def parameters(variables):
    """Return the number of parameters."""
    return sum(p.size for p in jax.tree.leaves(variables["params"]))
