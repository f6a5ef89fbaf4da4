"""Biases are added in their own precision, float32 or wider, and the sum is rounded once.

Their gradient is then summed in that precision too. For an addition in bfloat16 it would be summed
in bfloat16, which XLA:CPU does one by one: a sum of ones stops at 256
(findings/bfloat16_bias_gradient.sh).
"""

import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from flax.linen.dtypes import promote_dtype


def add_bias(y: jax.Array, bias: jax.Array) -> jax.Array:
    """Add y [..., f] and bias [f]; the result has the dtype of y."""
    return (y + bias).astype(y.dtype)


def promote_all_but_bias(x: Any, kernel: Any, bias: Any, *, dtype: Any) -> tuple:
    """Promote x and kernel as flax's layers do, and leave the bias alone."""
    return *promote_dtype(x, kernel, dtype=dtype), bias


def call_of(layer: type[nn.Module]) -> Callable:
    """Return the `__call__` of a flax layer, without flax's record of the call."""
    return inspect.unwrap(layer.__call__)
