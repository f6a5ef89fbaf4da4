"""Activations that jax and Flax lack."""

import jax
import jax.numpy as jnp

from cnn_history.layers import forms


@forms.replaceable
def tanh(x: jax.Array, amplitude: float, slope: float) -> jax.Array:
    """Return amplitude · tanh(slope · x)."""
    return amplitude * jnp.tanh(slope * x)


def scaled_tanh(x: jax.Array) -> jax.Array:
    """1.7159 tanh(2x/3): f(1) = 1, f(-1) = -1 (LeCun et al. 1998, eq. 6 and appendix A)."""
    return tanh(x, 1.7159, 2 / 3)
