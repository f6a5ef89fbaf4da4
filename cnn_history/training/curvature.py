"""The diagonal of the Hessian by the backpropagation of LeCun et al. 1998, appendix C.

It makes the paper's three approximations. Gauss-Newton: f'' of the squashing functions is dropped,
so that no second derivative is negative. Layer by layer: only the diagonal of a layer's states is
propagated,
$\\partial^2 E / \\partial x_i^2 = \\sum_k u_{ki}^2 \\, \\partial^2 E / \\partial a_k^2$.
Shared weights:
$h_{kk} = \\sum_{(i,j) \\in V_k} \\partial^2 E / \\partial u_{ij}^2$, without the terms
between the connections that share one weight (eq. 20).

Together they mean backpropagation with the square of every factor. This module does so for each
primitive of the network's trace, for any network of the primitives in the tables below.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend import core

from cnn_history import layers
from cnn_history.layers import forms
from cnn_history.layers.convolution import LAYOUT

EXAMPLES = 500  # number of examples in the paper's estimate

# In each of these an output depends on an input by its own factor alone; by 1, or not at all; by
# the other operand.
ELEMENTWISE = {"add", "sub", "mul", "div", "max", "neg", "tanh", "logistic"}
SELECTING = {
    *("broadcast_in_dim", "concatenate", "convert_element_type", "pad", "reduce_sum"),
    *("reduce_window_max", "reduce_window_sum", "reshape", "scatter", "slice", "squeeze"),
    "transpose",
}
BILINEAR = {"conv_general_dilated", "dot_general"}
CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr"}
# Traced as a call of this name. In its primitives, a state reaches an output by two ways, whose
# factors have to be added before they are squared.
ONE_LAYER = "local_response_norm"


def diagonal(
    apply: Callable, loss: Callable, variables: dict, images: jax.Array, labels: jax.Array
) -> Any:
    """Return second derivatives of the mean loss, not negative, with the parameters' shapes.

    They start from the criterion's exact second derivatives with respect to the last states. These
    are the logits, or the states that a radial-basis-function output compares with its codes; such
    an output is part of the criterion.

    Args:
      apply: the network's `apply(variables, images, train=)`.
      loss: (logits, labels) -> [n], convex in those states.
      variables: `params` and the other collections.
      images: [n, h, w, c].
      labels: int [n].

    Raises ValueError for a network with a primitive that is in none of the tables; it names the
    primitive and its layer.
    """
    outputs = []

    def without_output(call, args, kwargs, context):
        if isinstance(context.module, layers.RBFOutput):
            outputs.append(context.module.codes)
            return args[0]
        return call(*args, **kwargs)

    def network(params):
        with nn.intercept_methods(without_output):
            return apply({**variables, "params": params}, images, train=False)

    states, back = squared(network, variables["params"])

    def criterion(state, label):
        logits = layers.RBFOutput(outputs[0]).apply({}, state) if outputs else state
        return loss(logits[None], label[None])[0]

    second = jax.vmap(lambda *example: jnp.diagonal(jax.hessian(criterion)(*example)))
    return back(second(states, labels) / len(images))


def squared(function: Callable, params: Any) -> tuple[jax.Array, Callable]:
    """Return the array `function(params)`, and a map of its second derivatives to the params'.

    Raises ValueError for a primitive that is in none of the tables.
    """
    leaves, structure = jax.tree.flatten(params)
    # Only primitives in the tables, and calls of one layer.
    with layers.as_written(), forms.replaced(**{ONE_LAYER: _named}):
        traced = jax.make_jaxpr(lambda leaves: function(structure.unflatten(leaves)))(leaves)
    (out,), back = _trace(traced, leaves, [True] * len(leaves))
    return out, lambda second: structure.unflatten(back([second]))


def _named(function: Callable, x: jax.Array, *args, **options) -> jax.Array:
    """Call a layer's function so that a trace shows it as one call of its name."""

    def call(x):
        return function(x, *args, **options)

    call.__name__ = function.__name__
    return jax.jit(call)(x)


def _trace(traced: core.ClosedJaxpr, args: list, wanted: list[bool]) -> tuple[list, Callable]:
    """Return the outputs, and a map of their second derivatives to the wanted arguments'."""
    jaxpr, values, pulls = traced.jaxpr, {}, []
    values.update(zip(jaxpr.constvars, traced.consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))
    reached = {var for var, want in zip(jaxpr.invars, wanted, strict=True) if want}

    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inputs = [v.val if isinstance(v, core.Literal) else values[v] for v in equation.invars]
        want = [not isinstance(v, core.Literal) and v in reached for v in equation.invars]
        if equation.params.get("name") == ONE_LAYER:
            function = core.jaxpr_as_fun(equation.params["jaxpr"])
            outputs = function(*inputs)
            pull = functools.partial(_pull_window, _width(equation), function, *inputs)
        elif name in CALLS:
            outputs, pull = _trace(_closed(equation.params[CALLS[name]]), inputs, want)
        else:
            function = _function(equation)
            outputs = function(*inputs)
            outputs = outputs if equation.primitive.multiple_results else [outputs]
            if any(want) and name not in ELEMENTWISE | SELECTING | BILINEAR:
                layer = str(equation.source_info.name_stack) or "the network"
                raise ValueError(
                    f"second derivatives cannot be taken back through the primitive '{name}' of "
                    f"{layer}."
                )
            pull = functools.partial(_pull, name, function, inputs, want)
        values.update(zip(equation.outvars, outputs, strict=True))
        if any(want):
            reached.update(equation.outvars)
            pulls.append((equation, want, pull))

    def back(seconds):
        found = dict(zip(jaxpr.outvars, seconds, strict=True))
        for equation, want, pull in reversed(pulls):
            out = [found.get(var, jnp.zeros(var.aval.shape)) for var in equation.outvars]
            targets = [v for v, w in zip(equation.invars, want, strict=True) if w]
            for var, second in zip(targets, pull(out), strict=True):
                found[var] = found.get(var, 0) + second
        return [
            found.get(var, jnp.zeros(var.aval.shape))
            for var, want in zip(jaxpr.invars, wanted, strict=True)
            if want
        ]

    return [values[var] for var in jaxpr.outvars], back


def _function(equation: core.JaxprEqn) -> Callable:
    """Return a primitive's function; of a convolution, the form whose gradients a CPU runs fast."""
    of = equation.params
    if equation.primitive.name == "conv_general_dilated":
        axes = jax.lax.conv_dimension_numbers(*(v.aval.shape for v in equation.invars), LAYOUT)
        dilated = {*of["lhs_dilation"], *of["rhs_dilation"]} != {1}
        if of["dimension_numbers"] == axes and not dilated and of["precision"] is None:
            return functools.partial(
                layers.convolve,
                strides=of["window_strides"],
                padding=of["padding"],
                feature_group_count=of["feature_group_count"],
            )
    return functools.partial(equation.primitive.bind, **of)


def _closed(jaxpr) -> core.ClosedJaxpr:
    return jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else core.ClosedJaxpr(jaxpr, ())


def _pull(name: str, function: Callable, inputs: list, want: list[bool], seconds: list) -> list:
    """Return the second derivatives of a primitive's wanted inputs from those of its output."""
    (second,) = seconds
    pulled = []
    for i in (i for i, w in enumerate(want) if w):
        others = [jnp.square(x) if name in BILINEAR else x for x in inputs]

        def of_one(x, i=i, others=others):
            return function(*others[:i], x, *others[i + 1 :])

        if name in ELEMENTWISE:  # an input may be broadcast; each of its copies has a factor
            spread, gather = jax.vjp(lambda x: jnp.broadcast_to(x, second.shape), inputs[i])
            out, back = jax.vjp(of_one, spread)
            pulled += gather(jnp.square(back(jnp.ones_like(out))[0]) * second)
        else:
            out, back = jax.vjp(of_one, inputs[i])
            pulled += back(second.astype(out.dtype))
    return pulled


def _width(equation: core.JaxprEqn) -> int:
    """Return how many neighbouring maps the window of a call's only sum has."""
    inner = (each.params.get("window_dimensions") for each in equation.params["jaxpr"].eqns)
    (window,) = filter(None, inner)
    return window[-1]


def _pull_window(width: int, function: Callable, x: jax.Array, seconds: list) -> list:
    """Return the second derivatives of a function's input whose outputs read `width` maps.

    Outputs `width` maps apart read no map in common: the gradient of their sum has one factor in
    each place, that of the output which reads it.
    """
    (second,), (out, back) = seconds, jax.vjp(lambda x: function(x)[0], x)
    pulled = 0
    for first in range(width):
        apart = (jnp.arange(out.shape[-1]) % width == first).astype(out.dtype)
        factor = back(jnp.broadcast_to(apart, out.shape))[0]
        pulled += factor * back(apart * second.astype(out.dtype))[0]
    return [pulled]
