"""Values that are computed once, however many operations read them.

XLA:CPU recomputes a sum wherever it is read, together with all sums before it. In a chain of
residual blocks, each block would start again from the first (docs/speed.md).
"""

import dataclasses
from collections.abc import Callable

import jax

from cnn_history.cpu.form import Form


@dataclasses.dataclass(frozen=True)
class _Once(Form):
    """The identity, which XLA:CPU does not fuse through."""

    def plain(self, x):
        return x

    def cpu(self, x):
        return jax.lax.optimization_barrier(x)

    def transposed(self, i, dy):
        return self(dy)


def residual_sum(plain: Callable, *arguments) -> jax.Array:
    """Return the same as `plain`, `layers.residual_sum`."""
    return _Once()(plain(*arguments))
