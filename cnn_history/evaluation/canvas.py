"""Dense evaluation on a canvas: one compiled program for images of many sizes, same numbers.

The image lies in the upper left of the canvas. Filling the rest with zeros is not enough: a bias or
a norm changes them, and the next padded convolution would read the result instead of its padding.
The input of each layer that reads neighbours is therefore masked: outside the image it holds the
layer's padding value. The layers, and the image's extent in each, are found by tracing the network
for the image's own shape, which takes a tenth of the time of compiling. That trace must equal the
canvas's in all but sizes. If it does not, for example because padding starts elsewhere or an
average counts other positions, `reach` raises Unlike.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal

STEPS = 4  # canvas lengths between consecutive powers of two

# Kinds of operations: on each position alone,
LOCAL = frozenset(
    (
        *("abs", "add", "and", "clamp", "convert_element_type", "copy", "div", "eq", "erf", "exp"),
        *("expm1", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt"),
        *("max", "min", "mul", "ne", "neg", "not", "or", "pow", "rsqrt", "select_n", "sign"),
        *("sqrt", "square", "squeeze", "stop_gradient", "sub", "tanh", "transpose"),
    )
)
# on places counted from the start of each axis,
FROM_THE_BEGINNING = frozenset(("broadcast_in_dim", "slice"))
# along whole axes, given by (parameters, index of the operand),
ALONG: dict[str, Callable[[dict, int], tuple[int, ...]]] = {
    "concatenate": lambda params, operand: (params["dimension"],),
    "dot_general": lambda params, operand: tuple(
        axis for pair in params["dimension_numbers"] for axis in pair[operand]
    ),
    "pad": lambda params, operand: () if operand else _padded(params["padding_config"]),
    "reduce_max": lambda params, operand: params["axes"],
    "reduce_sum": lambda params, operand: params["axes"],
    "reshape": lambda params, operand: None,  # on all elements
}
# and on neighbours; the value is what stands in for a missing neighbour.
PADDED = {"conv_general_dilated": 0, "reduce_window_sum": 0, "reduce_window_max": -np.inf}
# Parameters that hold an axis length, and so differ on a canvas.
LENGTHS = {
    "broadcast_in_dim": ("shape",),
    "slice": ("limit_indices",),
    **dict.fromkeys(PADDED, ("padding",)),
}
PROGRAMS = ("jaxpr", "call_jaxpr")  # parameters that hold programs; their operations are compared


def _padded(widths: list[tuple[int, int, int]]) -> list[int]:
    return [axis for axis, around in enumerate(widths) if any(around)]


class Unlike(Exception):
    """The image's program differs from the canvas's; the message says where."""


def shape(own: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the canvas for images [n, h, w, c]: the longer side is rounded up.

    It is rounded to a quarter of a power of two, so it grows by at most a quarter. Squares stay.
    """
    n, h, w, c = own
    if h == w:
        return own
    step = max(1, (1 << (max(h, w).bit_length() - 1)) // STEPS)
    h, w = (-(-side // step) * step if side == max(h, w) else side for side in (h, w))
    return n, h, w, c


def reach(own: ClosedJaxpr, canvas: ClosedJaxpr) -> list[tuple[int, ...]]:
    """Return the image's extent in the network: the input shape of each operation in PADDED.

    The last shape is that of the result.

    Args:
      own: the function, traced at the image's own shape.
      canvas: the same function, at the canvas's.

    Raises:
      Unlike: on the canvas, the operations would give other numbers.
    """
    found = list(_compared(own, canvas))
    return [*found, own.out_avals[0].shape]


def _compared(own: ClosedJaxpr, canvas: ClosedJaxpr) -> Iterator[tuple[int, ...]]:
    if len(own.eqns) != len(canvas.eqns) or len(own.consts) != len(canvas.consts):
        raise Unlike("another number of operations")
    for mine, its in zip(own.consts, canvas.consts, strict=True):
        _check(_begins_with(its, mine), "a constant")
    twins = dict(zip(own.jaxpr.constvars, canvas.jaxpr.constvars, strict=True))
    twins |= zip(own.jaxpr.invars, canvas.jaxpr.invars, strict=True)
    for mine, its in zip(own.eqns, canvas.eqns, strict=True):
        name = mine.primitive.name
        _check(name == its.primitive.name, name)
        for a, b in zip(mine.invars, its.invars, strict=True):
            same = _begins_with(b.val, a.val) if isinstance(a, Literal) else twins[a] is b
            _check(same, f"what {name} gets")
        twins |= zip(mine.outvars, its.outvars, strict=True)
        inner = _program(mine)
        if inner is not None:
            yield from _compared(inner, _program(its))
            continue
        _check_alike(name, mine, its)
        if name in PADDED:
            yield mine.invars[0].aval.shape


def _check_alike(name: str, mine: JaxprEqn, its: JaxprEqn) -> None:
    """Raise Unlike if an operation inside the image could read beyond it."""
    _check(name in LOCAL | FROM_THE_BEGINNING | ALONG.keys() | PADDED.keys(), name)
    others = LENGTHS.get(name, ())
    for key in mine.params.keys() | its.params.keys():
        if key not in others:
            _check(mine.params.get(key) == its.params.get(key), f"{key} of {name}")
    for operand, (a, b) in enumerate(zip(mine.invars, its.invars, strict=True)):
        if name in ALONG:
            axes = ALONG[name](mine.params, operand)
            axes = range(a.aval.ndim) if axes is None else axes
            same = all(a.aval.shape[axis] == b.aval.shape[axis] for axis in axes)
            _check(same, f"axes of {name}")
    if name in PADDED:
        before = [[low for low, _ in eqn.params["padding"]] for eqn in (mine, its)]
        _check(before[0] == before[1], f"the padding before {name}")
        _check(_pads(its) or not _pads(mine), f"the padding of {name}")
        (a, b), *rest = zip(mine.invars, its.invars, strict=True)
        ends = (0, -1)  # images and channels
        _check(all(a.aval.shape[i] == b.aval.shape[i] for i in ends), f"the images of {name}")
        _check(all(a.aval.shape == b.aval.shape for a, b in rest), f"the kernel of {name}")
        dilated = mine.params.get("lhs_dilation", mine.params.get("base_dilation", ()))
        _check(set(dilated) <= {1}, f"the dilation of {name}")
    for a, b in zip(mine.outvars, its.outvars, strict=True):
        enough = all(x <= y for x, y in zip(a.aval.shape, b.aval.shape, strict=True))
        _check(enough, f"the result of {name}")


def _pads(eqn: JaxprEqn) -> bool:
    """Tell whether an operation reads beyond an edge (else values outside do not matter)."""
    return any(map(any, eqn.params["padding"]))


def _begins_with(whole: Any, part: Any) -> bool:
    """Tell whether an array is a prefix of another (or equal to it)."""
    whole, part = np.asarray(whole), np.asarray(part)
    if whole.ndim != part.ndim or any(x < y for x, y in zip(whole.shape, part.shape, strict=True)):
        return False
    return np.array_equal(whole[tuple(map(slice, part.shape))], part)


def _check(right: bool, what: str) -> None:
    if not right:
        raise Unlike(f"{what} differs on the canvas")


def _program(eqn: JaxprEqn) -> ClosedJaxpr | None:
    """Return the program that an operation calls."""
    found = (eqn.params.get(name) for name in PROGRAMS)
    return next((one for one in found if isinstance(one, ClosedJaxpr)), None)


def evaluated(
    canvas: ClosedJaxpr, reaches: list[tuple[jax.Array, ...]], *leaves: jax.Array
) -> jax.Array:
    """Return the function's result on a canvas, correct within the extent of the image's result.

    Args:
      canvas: the function, traced.
      reaches: what `reach` returns, for the image.
      leaves: the function's arguments, flattened; the image lies in the upper left of its canvas.
    """
    shapes = iter(reaches)

    def run(program: ClosedJaxpr, *values):
        known = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
        known |= zip(program.jaxpr.invars, values, strict=True)

        def value(of):
            return of.val if isinstance(of, Literal) else known[of]

        for eqn in program.eqns:
            operands = list(map(value, eqn.invars))
            inner, name = _program(eqn), eqn.primitive.name
            if inner is not None:
                made = run(inner, *operands)
            else:
                if name in PADDED:
                    own = next(shapes)
                    if _pads(eqn):
                        where = inside(operands[0].shape, own)
                        operands[0] = jnp.where(where, operands[0], PADDED[name])
                made = eqn.primitive.bind(*operands, **eqn.params)
            made = made if isinstance(made, list | tuple) else [made]
            known |= zip(eqn.outvars, made, strict=True)
        return list(map(value, program.jaxpr.outvars))

    (made,) = run(canvas, *leaves)
    return made


def mean(positions: jax.Array, own: tuple[jax.Array, ...]) -> jax.Array:
    """[n, h', w', classes] -> [n, classes]: the mean over the image's positions, of shape `own`."""
    made = jnp.where(inside(positions.shape, own), positions, 0)
    return made.sum((1, 2)) / (own[1] * own[2])


def inside(whole: tuple[int, ...], own: tuple[jax.Array, ...]) -> jax.Array:
    """Return a mask of a map [n, ..., c] that selects the positions of the image's own map."""
    made = jnp.ones((1,) * len(whole), bool)
    for axis in range(1, len(whole) - 1):
        along = [-1 if i == axis else 1 for i in range(len(whole))]
        made &= (jnp.arange(whole[axis]) < own[axis]).reshape(along)
    return made
