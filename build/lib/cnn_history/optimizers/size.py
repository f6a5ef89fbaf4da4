"""What a method that keeps a matrix over all parameters takes, and what is refused."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from rich.filesize import decimal as in_words

LARGEST_GB = 4.0  # that such a matrix may take unless more is allowed, in 10⁹ bytes


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
    size = n**2 * jnp.result_type(*jax.tree.leaves(params)).itemsize
    if size > largest_gb * 1e9:
        raise ValueError(
            f"{method}: the {matrix} of {n:,} parameters would need {in_words(size)}, more than "
            f"largest_gb={largest_gb:g}; lbfgs needs no matrix."
        )
