"""The output of a residual block is computed once on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import layers
from cnn_history.cpu import compiler

BLOCKS = 5


def chain(x, kernel):
    """Residual blocks: each sum is read by a product and by the next sum."""
    for _ in range(BLOCKS):
        x = layers.residual_sum(x @ kernel, x, jax.nn.relu)
    return x


def test_a_sum_that_is_read_twice_is_computed_once():
    x, kernel = jnp.ones((64, 32)), jnp.full((32, 32), 0.01)

    def compiled():
        # A new function: what was traced before is not taken.
        options = compiler.options("cpu", training=False)
        program = jax.jit(lambda *a: chain(*a), compiler_options=options)
        program = program.lower(x, kernel).compile()
        return program(x, kernel), program.as_text().count(" maximum(")

    ours, once = compiled()
    with layers.as_written():
        xlas, again = compiled()
    assert once == BLOCKS < again
    np.testing.assert_allclose(ours, xlas, rtol=1e-6)
