"""Activations."""

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import layers


def test_scaled_tanh_is_the_papers():
    """LeCun et al. 1998, appendix A: f(±1) = ±1, and the second derivative is largest there."""
    x = np.linspace(-2, 2, 401)
    y = np.asarray(layers.scaled_tanh(x), np.float64)
    np.testing.assert_allclose(y[[100, 300]], [-1, 1], atol=1e-5)
    curvature = np.abs(np.diff(y, 2))
    assert abs(abs(x[1 + curvature.argmax()]) - 1) < 0.05


def test_scaled_tanh_along_images_is_the_same(monkeypatch):
    """On a CPU it is computed with all channels of an image in one row; derivatives are, too."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 5, 4)), jnp.float32)

    def derivatives(x):
        gradient = jax.grad(lambda x: jnp.sum(layers.scaled_tanh(x) ** 3))
        moved = jax.jvp(gradient, (x,), (jnp.cos(x),))
        return layers.scaled_tanh(x), moved, jax.vmap(layers.scaled_tanh)(x)

    def program():
        return str(jax.make_jaxpr(lambda x: layers.scaled_tanh(x))(x))  # a new function: not cached

    ours, own = derivatives(x), program()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert program() != own
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(derivatives(x)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
