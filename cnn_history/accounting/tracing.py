"""Traces a network with its layers marked; every account is derived from such a trace."""

from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util
from jax.ad_checkpoint import checkpoint_name
from jax.extend import core

from cnn_history import layers

# By the layer's type, or the nearest type from which it is derived.
OPERATIONS = {
    nn.Conv: "conv",
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
# Local response normalization is not among these: it is a layer of its own, as in its paper.
NORMS = (layers.Norm, nn.BatchNorm, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.InstanceNorm)
MULTIPLIERS = ("kernel", "coefficient")  # parameters that multiply a layer's input


class Call(NamedTuple):
    """A call of a layer.

    Attributes:
      module: the layer.
      params: its parameters, by name, without those of layers that it wraps.
      new: parameters that no earlier call had.
      shape: of the result.
    """

    module: nn.Module
    params: dict[str, Any]
    new: dict[str, Any]
    shape: tuple[int, ...]


class Traced(NamedTuple):
    """A traced network.

    Attributes:
      jaxpr: the computation; `name` equations mark the result of each layer with its label.
      calls: by label, in the order of computation.
      weighted: labels of the layers with weights.
      pre_activation: whether some normalization does not directly follow a layer with weights.
    """

    jaxpr: core.Jaxpr
    calls: dict[str, Call]
    weighted: Collection[str]
    pre_activation: bool


def traced_layers(network: nn.Module, size: tuple[int, int, int]) -> Traced:
    """Trace a network on an image of `size`, (h, w, c); nothing is computed.

    A layer is a module of a known type, or one with parameters. A module that only wraps a layer is
    not a layer, and the modules inside a normalization belong to it.
    """
    called = {}
    weighted = {}  # the results of layers with weights, by label
    counted = {}  # the number of the layer that has a parameter, by its path
    norms = []  # the normalizations being called, outermost first
    pre_activation = False

    def watch(call, args, kwargs, context):
        nonlocal pre_activation
        module, before = context.module, len(called)
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        if norms:
            if module.scope is norms[-1].scope and is_norm(module):
                norms.append(module)
            return call(*args, **kwargs)
        if is_norm(module):
            norms.append(module)
            # Statistics come from other images, so they are not part of the receptive field.
            y = call(jnp.zeros_like(args[0]), *args[1:], **kwargs)
            y = args[0].astype(y.dtype)
            params = traverse_util.flatten_dict(module.variables.get("params", {}), sep="/")
            module = norms[-1]
            norms.clear()
        else:
            y = call(*args, **kwargs)
            params = _own_parameters(module)
        path = module.path
        params = {n: p for n, p in params.items() if counted.get((*path, n), -1) < before}
        new = {name: p for name, p in params.items() if (*path, name) not in counted}
        if not new and (len(called) > before or (not params and operation(module) is None)):
            return y  # it consists of layers, or has no parameters, like dropout
        if isinstance(module, layers.AdaptiveAvgPool) and y.shape == args[0].shape:
            return y  # the identity at the network's own image size
        number = len(called)
        label = f"layer {number}"
        counted.update({(*path, name): number for name in new})
        called[label] = Call(module, params, new, y.shape)
        y = checkpoint_name(y, label)
        if any(name in MULTIPLIERS for name in params):
            weighted[label] = y
        elif is_norm(module):
            pre_activation |= all(args[0] is not x for x in weighted.values())
        return y

    def init(image):
        # Initialization calls every part of a network, including heads that only train.
        return network.init(jax.random.key(0), image, train=False)

    with nn.intercept_methods(watch), layers.as_written():
        jaxpr = jax.make_jaxpr(init)(jax.ShapeDtypeStruct((1, *size), jnp.float32)).jaxpr
    return Traced(jaxpr, called, frozenset(weighted), pre_activation)


def follow(jaxpr: core.Jaxpr, known: dict[core.Var, Any], made: Callable) -> None:
    """Propagate facts about variables through a computation, and add them to `known`.

    Equations that depend on no known variable are skipped; inner computations are entered.

    Args:
      jaxpr: the computation.
      known: facts by variable.
      made: (equation, the fact of each operand, or None) -> the facts of its results.
    """

    def of(variables: Iterable, known: dict) -> list:
        return [None if isinstance(v, core.Literal) else known.get(v) for v in variables]

    for eqn in jaxpr.eqns:
        operands = of(eqn.invars, known)
        if not any(operands):
            continue
        closed = (p for p in eqn.params.values() if isinstance(p, core.ClosedJaxpr))
        if inner := next(closed, None):
            inside = dict(zip(inner.jaxpr.invars, operands, strict=True))
            follow(inner.jaxpr, inside, made)
            results = of(inner.jaxpr.outvars, inside)
        else:
            results = [made(eqn, operands)] * len(eqn.outvars)
        known.update(zip(eqn.outvars, results, strict=True))


def _own_parameters(module: nn.Module) -> dict[str, Any]:
    """Return the parameters of a module itself, without those of its submodules."""
    return {n: p for n, p in module.variables.get("params", {}).items() if not isinstance(p, dict)}


def operation(module: nn.Module) -> str | None:
    """Return the operation of a layer of a known type, or the class of another normalization."""
    known = (OPERATIONS[kind] for kind in type(module).__mro__ if kind in OPERATIONS)
    return next(known, type(module).__name__ if is_norm(module) else None)


def is_norm(module: nn.Module) -> bool:
    """Tell whether a layer is a normalization that is counted with the layer before it."""
    return isinstance(module, NORMS) and not isinstance(module, layers.LocalResponseNorm)
