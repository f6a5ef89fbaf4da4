"""Linear functions that are written in both directions, each in the form that runs best.

XLA runs what is written: the transpose that jax derives of a sum over slices is a sum of padded
arrays, whatever the fastest way to the same numbers is.
"""

from collections.abc import Callable

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


def call(function: Callable, transposed: Callable, array: jax.Array, *others) -> jax.Array:
    """Return `function(array, *others)`, linear in `array`, with `transposed` as its way back.

    Derivatives of every order and mode follow, by `array` and by the others.

    Args:
      function: (array, *others) -> y.
      transposed: (y, *others) -> what has the shape of `array`: the transpose of `function`.
      array: what the function is linear in.
      others: further arrays, in which it need not be.
    """
    return _linear.bind(array, *others, function=function, transposed=transposed)


def _run(array, *others, function, transposed):
    del transposed
    return function(array, *others)


def _shape(array, *others, function, transposed):
    del transposed
    made = jax.eval_shape(function, array, *others)
    return jax.core.ShapedArray(made.shape, made.dtype)


def _differentiate(primals, tangents, *, function, transposed):
    array, *others = primals
    along, *moves = tangents
    y = call(function, transposed, *primals)
    pieces = []
    if type(along) is not ad.Zero:
        pieces.append(call(function, transposed, along, *others))
    if any(type(move) is not ad.Zero for move in moves):
        moves = [ad.instantiate_zeros(move) for move in moves]
        pieces.append(jax.jvp(lambda *others: function(array, *others), others, moves)[1])
    return y, sum(pieces[1:], pieces[0]) if pieces else ad.Zero.from_primal_value(y)


def _transpose(cotangent, array, *others, function, transposed):
    if type(cotangent) is ad.Zero:
        back = ad.Zero(array.aval)
    else:
        back = call(transposed, function, cotangent, *others)
    return [back, *(None for _ in others)]


def _batch(arguments, axes, *, function, transposed):
    array, *others = arguments
    axis, *rest = axes
    size = next(a.shape[i] for a, i in zip(arguments, axes, strict=True) if i is not None)
    array = batching.bdim_at_front(array, axis, size)
    forward = jax.vmap(function, (0, *rest))
    back = jax.vmap(transposed, (0, *rest))
    return call(forward, back, array, *others), 0


_linear = Primitive("linear")
_linear.def_impl(_run)
_linear.def_abstract_eval(_shape)
ad.primitive_jvps[_linear] = _differentiate
ad.primitive_transposes[_linear] = _transpose
batching.primitive_batchers[_linear] = _batch
mlir.register_lowering(_linear, mlir.lower_fun(_run, multiple_results=False))
