"""The hyperbolic tangent of flattened images."""

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import layers


def test_it_is_jaxs_in_every_derivative():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 5, 4)), jnp.float32)

    def derivatives(x):
        gradient = jax.grad(lambda x: jnp.sum(layers.scaled_tanh(x) ** 3))
        twice = jax.grad(lambda x: jnp.sum(gradient(x) ** 2))
        moved = jax.jvp(gradient, (x,), (jnp.cos(x),))
        return layers.scaled_tanh(x), moved, twice(x), jax.vmap(layers.scaled_tanh)(x[None])

    ours = jax.jit(derivatives)(x)
    with layers.as_written():
        own = jax.jit(lambda x: derivatives(x))(x)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(own), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
