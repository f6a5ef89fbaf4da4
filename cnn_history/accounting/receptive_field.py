"""Receptive field and depth of the arrays of a traced computation, by a walk over its equations.

An array is followed as long as it depends on the image. What it sees of the image is kept for each
side: position p of the array sees the image from `first + p · jump` on, `size` positions of it.
Sizes are those in the interior of an image without borders, so that they may exceed the image; what
arrays of several branches see is united. Where positions are not evenly spaced, as behind torch's
adaptive pooling, each counts as seeing what they see together.
"""

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from jax.extend import core

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
    """What an array sees of one side of the image.

    Attributes:
      axis: that of the array along which its positions lie, or None where all see the same.
      first: where in the image the view of position 0 begins; negative in padding.
      size: extent of the view of one position.
      jump: distance in the image between the views of neighbours.
    """

    axis: int | None
    first: int
    size: int
    jump: int


class Seen(NamedTuple):
    """What an array sees of the image's height and width, and the weight layers on the way."""

    height: View
    width: View
    depth: int


def receptive_fields(
    jaxpr: core.Jaxpr, image: core.Var, weighted: Collection[str]
) -> dict[str, Seen]:
    """Return what the arrays named by `checkpoint_name` see of `image` [n, h, w, c].

    Names in `weighted` mark the results of layers with weights, which make up the depth.
    Raises ValueError for an operation on which nothing is known here.
    """
    named = {}
    whole = Seen(*(View(axis, 0, 1, 1) for axis in SIDES), depth=0)
    _walk(jaxpr, {image: whole}, frozenset(weighted), named)
    return named


def _walk(jaxpr, seen: dict, weighted: frozenset[str], named: dict[str, Seen]) -> None:
    """Add to `seen` what each variable of jaxpr sees, and to `named` the named ones."""
    for eqn in jaxpr.eqns:
        operands = [None if isinstance(v, core.Literal) else seen.get(v) for v in eqn.invars]
        if not any(operands) or not math.prod(eqn.outvars[0].aval.shape):
            continue  # it does not depend on the image, or is empty
        inner = next((p for p in eqn.params.values() if isinstance(p, core.ClosedJaxpr)), None)
        if inner is not None:
            inside = {v: s for v, s in zip(inner.jaxpr.invars, operands, strict=True) if s}
            _walk(inner.jaxpr, inside, weighted, named)
            results = [
                None if isinstance(v, core.Literal) else inside.get(v) for v in inner.jaxpr.outvars
            ]
        else:
            results = [_result(eqn, operands)] * len(eqn.outvars)
        if eqn.primitive.name == "name":
            label = eqn.params["name"]
            results = [s._replace(depth=s.depth + (label in weighted)) for s in results]
            named[label] = results[0]
        seen.update({v: s for v, s in zip(eqn.outvars, results, strict=True) if s})


def _result(eqn: core.JaxprEqn, operands: list[Seen | None]) -> Seen:
    """Return what the result of one equation sees; `operands` has None for constants."""
    rule = _keep if eqn.primitive.name in ELEMENTWISE else RULES.get(eqn.primitive.name)
    if rule is None:
        raise ValueError(f"no receptive field is known for '{eqn.primitive.name}'.")
    sides = []
    for side in range(len(SIDES)):
        views = [
            rule(s[side], eqn.invars[i].aval.shape, eqn, i)
            for i, s in enumerate(operands)
            if s is not None
        ]
        sides.append(_union(views, eqn.outvars[0].aval.shape))
    return Seen(*sides, depth=max(s.depth for s in operands if s is not None))


def _whole(view: View, shape: tuple[int, ...]) -> View:
    """Return the view of all positions together."""
    length = 1 if view.axis is None else shape[view.axis]
    first = min(view.first, view.first + (length - 1) * view.jump)
    return View(None, first, view.size + (length - 1) * view.jump, 0)


def _union(views: list[View], shape: tuple[int, ...]) -> View:
    """Return the smallest view that holds all of views, which lie on an array of `shape`."""
    if len({(view.axis, view.jump) for view in views}) > 1:
        views = [_whole(view, shape) for view in views]
    first = min(view.first for view in views)
    last = max(view.first + view.size for view in views)
    return views[0]._replace(first=first, size=last - first)


def _slide(view: View, axis: int, window: int, stride: int, before: int) -> View:
    """Return the view behind a window of `window` positions, `stride` apart, after padding."""
    _, first, size, jump = view
    return View(axis, first - before * jump, size + (window - 1) * jump, jump * stride)


# A rule takes a view, the shape of its operand, the equation and the operand's number.


def _keep(view, shape, eqn, number):
    del shape, eqn, number
    return view


def _convolution(view, shape, eqn, number):
    del shape
    if view.axis is None:
        return view
    params, kernel = eqn.params, eqn.invars[1].aval.shape
    spec = params["dimension_numbers"]
    if number != 0 or view.axis not in spec.lhs_spec[2:] or set(params["lhs_dilation"]) != {1}:
        raise ValueError("no receptive field is known for such a convolution.")
    i = spec.lhs_spec[2:].index(view.axis)
    window = (kernel[spec.rhs_spec[2 + i]] - 1) * params["rhs_dilation"][i] + 1
    before = params["padding"][i][0]
    return _slide(view, spec.out_spec[2 + i], window, params["window_strides"][i], before)


def _reduce_window(view, shape, eqn, number):
    del shape, number
    if view.axis is None:
        return view
    params, i = eqn.params, view.axis
    window = (params["window_dimensions"][i] - 1) * params["window_dilation"][i] + 1
    return _slide(view, i, window, params["window_strides"][i], params["padding"][i][0])


def _pad(view, shape, eqn, number):
    del shape, number
    if view.axis is None:
        return view
    before, _, between = eqn.params["padding_config"][view.axis]
    if between:
        raise ValueError("no receptive field is known for padding between positions.")
    return _slide(view, view.axis, 1, 1, before)


def _slice(view, shape, eqn, number):
    del shape, number
    if view.axis is None:
        return view
    strides = eqn.params["strides"] or (1,) * len(eqn.params["start_indices"])
    return _slide(view, view.axis, 1, strides[view.axis], -eqn.params["start_indices"][view.axis])


def _concatenate(view, shape, eqn, number):
    if view.axis is None or view.axis != eqn.params["dimension"]:
        return view
    before = sum(v.aval.shape[view.axis] for v in eqn.invars[:number])
    return _slide(view, view.axis, 1, 1, before)


def _stack(view, shape, eqn, number):
    del shape, number
    if view.axis is None or view.axis < eqn.params["axis"]:
        return view
    return view._replace(axis=view.axis + 1)


def _transpose(view, shape, eqn, number):
    del shape, number
    if view.axis is None:
        return view
    return view._replace(axis=eqn.params["permutation"].index(view.axis))


def _broadcast_in_dim(view, shape, eqn, number):
    del number
    if view.axis is None:
        return view
    axis = eqn.params["broadcast_dimensions"][view.axis]
    if eqn.params["shape"][axis] != shape[view.axis]:
        return _whole(view, shape)
    return view._replace(axis=axis)


def _without(view, shape, removed):
    if view.axis is None or view.axis in removed:
        return _whole(view, shape)
    return view._replace(axis=view.axis - sum(axis < view.axis for axis in removed))


def _squeeze(view, shape, eqn, number):
    del number
    return _without(view, shape, eqn.params["dimensions"])


def _reduce(view, shape, eqn, number):
    del number
    return _without(view, shape, eqn.params["axes"])


def _reshape(view, shape, eqn, number):
    del number
    if view.axis is None:
        return view

    def places(shape):  # an axis stays itself if as many elements lie before and along it
        before = 1
        for length in shape:
            yield before, length
            before *= length

    place = list(places(shape))[view.axis]
    kept = [axis for axis, p in enumerate(places(eqn.params["new_sizes"])) if p == place]
    return view._replace(axis=kept[-1]) if kept else _whole(view, shape)


def _dot_general(view, shape, eqn, number):
    contracting, batch = eqn.params["dimension_numbers"]
    if view.axis is None or view.axis in contracting[number] or view.axis in batch[number]:
        return _whole(view, shape)
    shapes = [v.aval.shape for v in eqn.invars]
    free = [
        [axis for axis in range(len(shapes[i])) if axis not in (*contracting[i], *batch[i])]
        for i in range(2)
    ]
    before = len(batch[0]) + (len(free[0]) if number == 1 else 0)
    return view._replace(axis=before + free[number].index(view.axis))


RULES: dict[str, Callable[[View, tuple[int, ...], Any, int], View]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "pad": _pad,
    "reduce_max": _reduce,
    "reduce_sum": _reduce,
    "reduce_window_max": _reduce_window,
    "reduce_window_sum": _reduce_window,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
