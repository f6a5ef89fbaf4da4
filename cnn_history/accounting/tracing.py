"""A network traced with its layers marked: what every account of it is derived from."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.extend import core

from cnn_history import layers

OPERATIONS = {
    nn.Conv: "conv",
    layers.Conv: "conv",
    layers.PartialConv: "conv",
    nn.Dense: "fc",
    layers.FullyConnected: "fc",
    layers.RBFOutput: "rbf",
    layers.TrainableSubsampling: "subsampling",
    layers.MaxPool: "max_pool",
    layers.AvgPool: "avg_pool",
    layers.AdaptiveAvgPool: "adaptive_avg_pool",
    layers.GlobalAvgPool: "global_avg_pool",
    layers.LocalResponseNorm: "lrn",
    layers.BatchNorm: "batch_norm",
}
MULTIPLIERS = ("kernel", "coefficient")  # parameters that multiply what a layer reads


class Traced(NamedTuple):
    """A traced network.

    Attributes:
      jaxpr: the computation; `name` equations mark the result of each layer with its label.
      calls: module, parameters and shape of the result, by label, in the order of computation.
      weighted: labels of the layers with weights.
      pre_activation: whether some normalization does not directly follow a layer with weights.
    """

    jaxpr: core.Jaxpr
    calls: dict[str, tuple[nn.Module, dict[str, Any], tuple[int, ...]]]
    weighted: Collection[str]
    pre_activation: bool


def traced_layers(network: nn.Module, size: tuple[int, int, int]) -> Traced:
    """Trace a network on an image of `size`, (h, w, c); nothing is computed."""
    called = {}
    weighted = {}  # the results of layers with weights, by label
    pre_activation = False

    def watch(call, args, kwargs, context):
        nonlocal pre_activation
        y = call(*args, **kwargs)
        module = context.module
        if context.method_name != "__call__":
            return y
        variables = module.variables.get("params", {})
        params = {name: v for name, v in variables.items() if not isinstance(v, Mapping)}
        if type(module) not in OPERATIONS and not params:
            return y  # it is made of layers, or has no parameters, like dropout
        if isinstance(module, layers.AdaptiveAvgPool) and y.shape == args[0].shape:
            return y  # on the network's own size it does nothing
        label = f"layer {len(called)}"
        called[label] = module, params, y.shape
        y = checkpoint_name(y, label)
        if any(name in MULTIPLIERS for name in params):
            weighted[label] = y
        elif is_norm(module):
            pre_activation |= all(args[0] is not x for x in weighted.values())
        return y

    def init(image):
        # At initialization every part of a network is there, the heads for training too.
        return network.init(jax.random.key(0), image, train=False)

    with nn.intercept_methods(watch), layers.as_written():
        jaxpr = jax.make_jaxpr(init)(jax.ShapeDtypeStruct((1, *size), jnp.float32)).jaxpr
    return Traced(jaxpr, called, frozenset(weighted), pre_activation)


def is_norm(module: nn.Module) -> bool:
    """Tell whether a layer normalizes: BatchNorm, or another class with parameters."""
    return OPERATIONS.get(type(module), "batch_norm") == "batch_norm"
