"""Place-by-place poolings equal jax's in every derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from tests.layers.test_pooling import image


@pytest.mark.parametrize(
    "layer",
    [
        layers.MaxPool((2, 2), (2, 2)),
        layers.MaxPool((3, 3), (2, 2), 1, ceil_mode=True),
        layers.AvgPool((2, 2), (2, 2)),
        layers.AvgPool((3, 2), (3, 2)),
    ],
)
def test_derivatives_are_xlas(layer):
    """Of windows that tile the image, and leave some of it out, and of others."""
    x = jnp.maximum(image(8, 7) + 3, 0)  # with ties: half of them are zero
    moved = jnp.asarray(image(8, 7))
    weights = jnp.cos(jnp.arange(layer(x).size, dtype=jnp.float32)).reshape(layer(x).shape)

    def derivatives(x):
        gradient = jax.grad(lambda x: jnp.sum(weights * (1 + layer(x)) ** 2))
        return gradient(x), jax.jvp(layer, (x,), (moved,)), jax.jvp(gradient, (x,), (moved,))

    ours = jax.jit(derivatives)(x)
    with layers.as_written():
        own = jax.jit(lambda x: derivatives(x))(x)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(own), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
