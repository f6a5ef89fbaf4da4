"""Functions with two forms: XLA's standard one, and one that XLA:CPU runs faster.

Each function is a jax primitive with a lowering rule per platform, so the platform that a program
is lowered for decides its form. Functions define their own derivatives, because XLA runs what is
written: jax's transpose of a sum over slices is a sum of padded arrays, which is slow.

`jax.lax.platform_dependent` also chooses at lowering. But it traces and differentiates every form,
and a gradient keeps the residuals of all: LeNet-5's gradient has 1,345 lines instead of 289 and
takes three times as long to trace. This primitive traces only the chosen form, when it is lowered.
"""

import abc
import contextlib
import contextvars
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from cnn_history.cpu import cuts


@dataclasses.dataclass(frozen=True)
class Form(abc.ABC):
    """A function of arrays. Its other parameters are its fields, which are hashable.

    Attributes:
      linear: the function is linear in this number of arrays, the first ones. For derivatives by
        the others, jax differentiates `plain`.
      layer: the function of `layers` that it computes, where others have to know.
    """

    linear: ClassVar[int] = 1
    layer: ClassVar[str] = ""

    def __call__(self, *arrays: jax.Array) -> jax.Array:
        """Apply the function to the arrays."""
        return _primitive.bind(*varying_alike(*arrays), form=self)

    @abc.abstractmethod
    def plain(self, *arrays: jax.Array) -> jax.Array:
        """Apply XLA's standard form."""

    @abc.abstractmethod
    def cpu(self, *arrays: jax.Array) -> jax.Array:
        """Apply the form that XLA:CPU runs fastest."""

    def cut(self, partition: cuts.Partition, *arrays: jax.Array) -> jax.Array:
        """Apply the form for arrays that XLA shards over devices, some of which it gets wrong."""
        return self.plain(*arrays)

    def transposed(self, i: int, *arrays: jax.Array) -> jax.Array:
        """Return the transpose by the linear array i; the cotangent takes its place in `arrays`."""
        raise TypeError(f"{type(self).__name__} is linear in {self.linear} arrays, not in {i}.")


@dataclasses.dataclass(frozen=True)
class _Mapped(Form):
    """A form under `jax.vmap`: mapped over the arrays whose `axes` are not None."""

    form: Form
    axes: tuple[int | None, ...]

    @property
    def linear(self) -> int:
        return self.form.linear

    def plain(self, *arrays):
        return jax.vmap(self.form.plain, self.axes)(*arrays)

    def cpu(self, *arrays):
        return jax.vmap(self.form.cpu, self.axes)(*arrays)

    def cut(self, partition, *arrays):
        return jax.vmap(functools.partial(self.form.cut, partition), self.axes)(*arrays)

    def transposed(self, i, *arrays):
        axes = [0 if j == i else axis for j, axis in enumerate(self.axes)]
        back = jax.vmap(functools.partial(self.form.transposed, i), axes)(*arrays)
        axis = self.axes[i]
        return back.sum(0) if axis is None else jax.numpy.moveaxis(back, 0, axis)


def layer_of(primitive: Any, parameters: Mapping[str, Any]) -> str:
    """Return the `layer` of a primitive's form; "" for other primitives."""
    return parameters["form"].layer if primitive is _primitive else ""


def varying_alike(*arrays: jax.Array) -> list[jax.Array]:
    """Return the arrays as `jax.shard_map` requires them: each varying over the axes of all."""
    varying = [_varying(jax.typeof(array)) for array in arrays]
    missing = [tuple(frozenset().union(*varying) - mine) for mine in varying]
    return [
        jax.lax.pcast(array, axes, to="varying") if axes else array
        for array, axes in zip(arrays, missing, strict=True)
    ]


def _varying(aval):
    return aval.mat.varying if hasattr(aval, "mat") else aval.vma  # jax 0.10; later ones


def _differentiate(primals, tangents, *, form):
    given = [not isinstance(tangent, ad.Zero) for tangent in tangents]
    y = form(*primals)
    pieces = [
        form(*primals[:i], tangents[i], *primals[i + 1 :]) for i in range(form.linear) if given[i]
    ]
    if any(given[form.linear :]):
        first, others = primals[: form.linear], tuple(primals[form.linear :])
        moves = tuple(map(ad.instantiate_zeros, tangents[form.linear :]))
        pieces.append(jax.jvp(functools.partial(form.plain, *first), others, moves)[1])
    return y, functools.reduce(jax.lax.add, pieces) if pieces else ad.Zero.from_primal_value(y)


def _transpose(cotangent, *arrays, form):
    unknown = [ad.is_undefined_primal(array) for array in arrays]
    (i,) = (i for i, is_unknown in enumerate(unknown) if is_unknown)
    if isinstance(cotangent, ad.Zero):
        back = ad.Zero(arrays[i].aval)
    else:
        back = form.transposed(i, *arrays[:i], cotangent, *arrays[i + 1 :])
    return [back if is_unknown else None for is_unknown in unknown]


def _map(arrays, axes, *, form):
    return _Mapped(form, tuple(axes))(*arrays), 0


@functools.lru_cache(1024)
def _shape(*arrays: Any, form: Form):
    (made,) = jax.make_jaxpr(form.plain)(*arrays).out_avals
    return made


_as_on_cpu = contextvars.ContextVar("as_on_cpu", default=())


@contextlib.contextmanager
def as_on_cpu(*forms: type[Form]) -> Iterator[None]:
    """Lower these forms as for a CPU on every platform, to measure them there."""
    token = _as_on_cpu.set(forms)
    try:
        yield
    finally:
        _as_on_cpu.reset(token)


def _lower(context, *arrays, form, on_cpu=False):
    """Lower the platform's form, or the one for arrays that XLA shards.

    The CPU form needs known shapes. It is not used for sharded arrays: XLA's partitioner loses the
    sharding of a batch in its reshapes, and errs where it shards the images' height or width.
    """
    known = all(isinstance(size, int) for aval in context.avals_in for size in aval.shape)
    if isinstance(form, _as_on_cpu.get()):
        function = form.cpu
    elif cuts.is_cut(context):
        function = functools.partial(form.cut, cuts.Partition(context))
    else:
        function = form.cpu if on_cpu and known else form.plain
    return mlir.lower_fun(function, multiple_results=False)(context, *arrays)


_primitive = Primitive("by_platform")
_primitive.def_impl(
    functools.partial(jax.jit, static_argnames="form")(
        lambda *arrays, form: _primitive.bind(*arrays, form=form)
    )
)
_primitive.def_abstract_eval(_shape)
ad.primitive_jvps[_primitive] = _differentiate
ad.primitive_transposes[_primitive] = _transpose
batching.primitive_batchers[_primitive] = _map
mlir.register_lowering(_primitive, _lower)
mlir.register_lowering(_primitive, functools.partial(_lower, on_cpu=True), platform="cpu")
