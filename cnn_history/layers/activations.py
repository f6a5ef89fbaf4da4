"""Activations that neither jax nor Flax has."""

import jax
import jax.numpy as jnp

from cnn_history.layers import forms

tanh = forms.replaceable(jnp.tanh)


def scaled_tanh(x: jax.Array) -> jax.Array:
    """1.7159 tanh(2x/3): f(1) = 1, f(-1) = -1 (LeCun et al. 1998, eq. 6 and appendix A)."""
    return 1.7159 * tanh(2 / 3 * x)
