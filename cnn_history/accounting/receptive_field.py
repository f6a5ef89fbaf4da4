"""Receptive field and depth of the arrays of a traced computation, by a walk over its equations.

The walk follows every array that depends on the image and keeps its view of height and width:
position p of the array sees `size` positions of the image, starting at `first + p · jump`. Borders
are ignored, so sizes may exceed the image. Where branches meet, the view is their union. If
positions are not evenly spaced, as after torch's adaptive pooling, each counts as seeing the union
of all.
"""

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from jax.extend import core

from cnn_history.accounting.tracing import follow

SIDES = (1, 2)  # the axes of height and width of images [n, h, w, c]

# Each position of the result depends on the same position of the operands.
ELEMENTWISE = frozenset({
    "abs", "add", "add_any", "and", "ceil", "clamp", "convert_element_type", "copy", "cos",
    "div", "eq", "erf", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow",
    "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "name", "ne",
    "neg", "not", "optimization_barrier", "or", "pow", "reduce_precision", "rem", "round",
    "rsqrt", "select_n", "sign", "sin", "sqrt", "square", "stop_gradient", "sub", "tan",
    "tanh", "xor",
})  # fmt: skip


class View(NamedTuple):
    """An array's view of one side of the image.

    Attributes:
      axis: the array's axis of positions, or None if all elements have the same view.
      first: start of the view of position 0 in the image; negative in padding.
      size: extent of the view of one position.
      jump: distance in the image between the views of neighbours.
    """

    axis: int | None
    first: int
    size: int
    jump: int


class Seen(NamedTuple):
    """An array's views of height and width, and the number of weight layers before it."""

    height: View
    width: View
    depth: int


def receptive_fields(
    jaxpr: core.Jaxpr, image: core.Var, weighted: Collection[str]
) -> dict[str, Seen]:
    """Return the views of `image` [n, h, w, c] by the arrays that `checkpoint_name` names.

    Names in `weighted` are results of layers with weights, which count towards the depth.
    Raises ValueError for an operation without a rule here.
    """
    named = {}

    def seen(eqn: core.JaxprEqn, operands: list[Seen | None]) -> Seen | None:
        if not math.prod(eqn.outvars[0].aval.shape):
            return None  # it is empty
        found = _result(eqn, operands)
        if eqn.primitive.name == "name":
            label = eqn.params["name"]
            found = named[label] = found._replace(depth=found.depth + (label in weighted))
        return found

    follow(jaxpr, {image: Seen(*(View(axis, 0, 1, 1) for axis in SIDES), depth=0)}, seen)
    return named


def _result(eqn: core.JaxprEqn, operands: list[Seen | None]) -> Seen:
    """Return the view of an equation's result; `operands` has None for constants."""
    name, shapes = eqn.primitive.name, [v.aval.shape for v in eqn.invars]
    if name not in ELEMENTWISE and name not in RULES:
        raise ValueError(f"no receptive field is known for '{name}'.")

    def behind(view: View, number: int) -> View:
        if name in ELEMENTWISE or view.axis is None:
            return view
        return RULES[name](view, shapes[number], eqn, number)

    known = [(number, seen) for number, seen in enumerate(operands) if seen]
    sides = (
        _union([behind(seen[side], number) for number, seen in known], eqn.outvars[0].aval.shape)
        for side in range(len(SIDES))
    )
    return Seen(*sides, depth=max(seen.depth for _, seen in known))


def _whole(view: View, shape: tuple[int, ...]) -> View:
    """Return the union of the views of all positions."""
    length = 1 if view.axis is None else shape[view.axis]
    first = min(view.first, view.first + (length - 1) * view.jump)
    return View(None, first, view.size + (length - 1) * view.jump, 0)


def _union(views: list[View], shape: tuple[int, ...]) -> View:
    """Return the smallest view that contains all `views`, of an array of `shape`."""
    if len({(view.axis, view.jump) for view in views}) > 1:
        views = [_whole(view, shape) for view in views]
    first = min(view.first for view in views)
    last = max(view.first + view.size for view in views)
    return views[0]._replace(first=first, size=last - first)


def _slide(view: View, axis: int, before: int, window: int = 1, stride: int = 1) -> View:
    """Return the view after a sliding window with this stride and padding."""
    _, first, size, jump = view
    before, window, stride = map(int, (before, window, stride))  # NumPy integers are not JSON
    return View(axis, first - before * jump, size + (window - 1) * jump, jump * stride)


# A rule takes a view with an axis, the shape of its operand, the equation and the operand's number.


def _convolution(view, shape, eqn, number):
    params, kernel = eqn.params, eqn.invars[1].aval.shape
    spec = params["dimension_numbers"]
    if number != 0 or view.axis not in spec.lhs_spec[2:] or set(params["lhs_dilation"]) != {1}:
        raise ValueError("no receptive field is known for such a convolution.")
    i = spec.lhs_spec[2:].index(view.axis)
    window = (kernel[spec.rhs_spec[2 + i]] - 1) * params["rhs_dilation"][i] + 1
    before = params["padding"][i][0]
    return _slide(view, spec.out_spec[2 + i], before, window, params["window_strides"][i])


def _reduce_window(view, shape, eqn, number):
    params, i = eqn.params, view.axis
    window = (params["window_dimensions"][i] - 1) * params["window_dilation"][i] + 1
    return _slide(view, i, params["padding"][i][0], window, params["window_strides"][i])


def _pad(view, shape, eqn, number):
    before, _, between = eqn.params["padding_config"][view.axis]
    if between:
        raise ValueError("no receptive field is known for padding between positions.")
    return _slide(view, view.axis, before)


def _slice(view, shape, eqn, number):
    stride = eqn.params["strides"][view.axis] if eqn.params["strides"] else 1
    return _slide(view, view.axis, -eqn.params["start_indices"][view.axis], stride=stride)


def _concatenate(view, shape, eqn, number):
    if view.axis != eqn.params["dimension"]:
        return view
    return _slide(view, view.axis, sum(v.aval.shape[view.axis] for v in eqn.invars[:number]))


def _stack(view, shape, eqn, number):
    return view._replace(axis=view.axis + (view.axis >= eqn.params["axis"]))


def _transpose(view, shape, eqn, number):
    return view._replace(axis=eqn.params["permutation"].index(view.axis))


def _broadcast_in_dim(view, shape, eqn, number):
    axis = eqn.params["broadcast_dimensions"][view.axis]
    kept = eqn.params["shape"][axis] == shape[view.axis]
    return view._replace(axis=axis) if kept else _whole(view, shape)


def _without(removed: str) -> Callable:
    """Return the rule of an operation that removes the axes listed in this parameter."""

    def rule(view, shape, eqn, number):
        if view.axis in eqn.params[removed]:
            return _whole(view, shape)
        return view._replace(axis=view.axis - sum(a < view.axis for a in eqn.params[removed]))

    return rule


def _reshape(view, shape, eqn, number):
    def place(shape, axis):  # an axis stays itself if as many elements lie before and along it
        return math.prod(shape[:axis]), shape[axis]

    after, here = eqn.params["new_sizes"], place(shape, view.axis)
    kept = [axis for axis in range(len(after)) if place(after, axis) == here]
    return view._replace(axis=kept[-1]) if kept else _whole(view, shape)


def _dot_general(view, shape, eqn, number):
    gone = [(*c, *b) for c, b in zip(*eqn.params["dimension_numbers"], strict=True)]
    if view.axis in gone[number]:
        return _whole(view, shape)
    free = [
        [axis for axis in range(v.aval.ndim) if axis not in axes]
        for v, axes in zip(eqn.invars, gone, strict=True)
    ]
    before = len(eqn.params["dimension_numbers"][1][0]) + number * len(free[0])
    return view._replace(axis=before + free[number].index(view.axis))


RULES: dict[str, Callable[[View, tuple[int, ...], Any, int], View]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "pad": _pad,
    "reduce_max": _without("axes"),
    "reduce_sum": _without("axes"),
    "reduce_window_max": _reduce_window,
    "reduce_window_sum": _reduce_window,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _without("dimensions"),
    "stack": _stack,
    "transpose": _transpose,
}
