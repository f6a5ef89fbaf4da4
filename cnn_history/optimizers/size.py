"""Limits for methods that keep a matrix over all parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from rich.filesize import decimal as in_words

LARGEST_GB = 4.0  # default limit for such matrices, in 10⁹ bytes
# Matrices held at once: in BFGS the inverse, its update, and the products for this; in Newton's
# method the Hessian's columns, the damped Hessian, and its factor.
HELD = 3


def check_precision(params: Any, method: str) -> None:
    """Raise ValueError for parameters of less than 32 bits.

    With bfloat16's 8 bits, differences of similar gradients and sums over all parameters are noise.
    """
    for leaf in jax.tree.leaves(params):
        if jnp.finfo(leaf.dtype).bits < 32:
            raise ValueError(
                f"{method} takes parameters of float32 or float64, not {leaf.dtype}; the "
                "computation alone may be of less."
            )


def check_matrix(params: Any, method: str, matrix: str, largest_gb: float) -> None:
    """Raise ValueError, with the numbers, if HELD matrices exceed `largest_gb`."""
    n = optax.tree.size(params)
    size = n**2 * jnp.result_type(*jax.tree.leaves(params)).itemsize
    if HELD * size > largest_gb * 1e9:
        raise ValueError(
            f"{method}: the {matrix} of {n:,} parameters would need {in_words(size)}; a step holds "
            f"{HELD} such matrices, {in_words(HELD * size)}, more than largest_gb={largest_gb:g}; "
            "lbfgs needs no matrix."
        )
