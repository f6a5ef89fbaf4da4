"""Whose form of a layer is traced: XLA's own, or the one that runs best on a CPU.

It is chosen where a function is traced, by the default backend: a program is traced once for each
kind of device anyway, and one for GPU or TPU then holds nothing of what is meant for CPUs.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_as_written = contextvars.ContextVar("as_written", default=False)


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Trace layers in XLA's own form, which shows what a position reads."""
    token = _as_written.set(True)
    try:
        yield
    finally:
        _as_written.reset(token)


def xlas_own() -> bool:
    """Say whether XLA's own form is to be traced: it is, but on a CPU."""
    return jax.default_backend() != "cpu" or _as_written.get()


def computed_once(x: jax.Array) -> jax.Array:
    """Return x; XLA:CPU computes sums anew wherever they are read, and all sums that led to them.

    Of a chain of residual blocks each would begin at the first (docs/speed.md).
    """
    return x if xlas_own() else jax.lax.optimization_barrier(x)
