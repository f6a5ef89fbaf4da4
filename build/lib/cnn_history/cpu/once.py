"""What is computed once, however many read it.

XLA:CPU computes sums anew wherever they are read, and all sums that led to them. Of a chain of
residual blocks each would begin at the first (docs/speed.md).
"""

import dataclasses
from collections.abc import Callable

import jax

from cnn_history.cpu.form import Form


@dataclasses.dataclass(frozen=True)
class _Once(Form):
    """The identity, which XLA:CPU does not look through."""

    def plain(self, x):
        return x

    def cpu(self, x):
        return jax.lax.optimization_barrier(x)

    def transposed(self, i, dy):
        return self(dy)


def residual_sum(plain: Callable, *arguments) -> jax.Array:
    """As `layers.residual_sum`, which `plain` is."""
    return _Once()(plain(*arguments))
