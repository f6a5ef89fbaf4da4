"""Biases are added in their own precision, float32 or wider, and the sum is rounded once.

Their gradient is then a sum in that precision too. That of an addition in bfloat16 is a sum in
bfloat16, which XLA:CPU forms one by one: of ones it stops at 256
(findings/bfloat16_bias_gradient.sh).
"""

import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from flax.linen.dtypes import promote_dtype


def add_bias(y: jax.Array, bias: jax.Array) -> jax.Array:
    """[..., f] in the dtype of computation, [f] in that of parameters -> [..., f] as the first."""
    return (y + bias).astype(y.dtype)


def promote_all_but_bias(x: Any, kernel: Any, bias: Any, *, dtype: Any) -> tuple:
    """Return them as flax's layers want them, the bias as it is."""
    return *promote_dtype(x, kernel, dtype=dtype), bias


def call_of(layer: type[nn.Module]) -> Callable:
    """Return the `__call__` of a layer of flax, which shows up as no call of its own."""
    return inspect.unwrap(layer.__call__)
