"""What a method that keeps a matrix over all parameters takes, and what is refused."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

LARGEST_GB = 4.0  # that such a matrix may take unless more is allowed, in 10⁹ bytes
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def matrix_bytes(parameters: int, each: int = 4) -> int:
    """Return the bytes of a square matrix over the parameters, such as their Hessian.

    Args:
      parameters: N; the matrix has N² numbers.
      each: bytes of a number; 4 for float32.
    """
    return parameters**2 * each


def in_words(count: int) -> str:
    """Return a number of bytes as it is read: `76.6 PB`, in powers of 1,000."""
    power = min(int(math.log10(max(count, 1)) / 3), len(UNITS) - 1)
    return f"{count / 1000**power:.1f} {UNITS[power]}" if power else f"{count} bytes"


def check_precision(params: Any, method: str) -> None:
    """Raise ValueError for parameters of less than 32 bits.

    Differences of near gradients, and sums over all parameters, are noise in bfloat16's 8 bits.
    """
    for leaf in jax.tree.leaves(params):
        if jnp.finfo(leaf.dtype).bits < 32:
            raise ValueError(
                f"{method} takes parameters of float32 or float64, not {leaf.dtype}; the "
                "computation alone may be of less."
            )


def check_matrix(params: Any, method: str, matrix: str, largest_gb: float) -> None:
    """Raise ValueError, with its number, for a matrix over `params` of more than `largest_gb`."""
    n = optax.tree.size(params)
    size = matrix_bytes(n, jnp.result_type(*jax.tree.leaves(params)).itemsize)
    if size > largest_gb * 1e9:
        raise ValueError(
            f"{method}: the {matrix} of {n:,} parameters would need {in_words(size)}, more than "
            f"largest_gb={largest_gb:g}; lbfgs needs no matrix."
        )
