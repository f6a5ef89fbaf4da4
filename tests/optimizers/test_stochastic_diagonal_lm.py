"""The running average of second derivatives, counted by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import optimizers

RATE, MU, EVERY = 0.1, 0.5, 2
ESTIMATES = np.array(
    [[4.0, 0.0], [9.0, 9.0], [0.0, 2.0], [9.0, 9.0], [8.0, 6.0]]
)  # at update 0 to 4


@pytest.mark.parametrize(
    ("gamma", "curvatures"),
    [
        (1.0, [[4, 0], [4, 0], [0, 2], [0, 2], [8, 6]]),
        # The second is 3/4 of (4, 0) and 1/4 of (0, 2), the third 3/4 of that and 1/4 of (8, 6).
        (0.25, [[4, 0], [4, 0], [3, 0.5], [3, 0.5], [4.25, 1.875]]),
    ],
)
def test_an_estimate_counts_gamma_and_the_first_all(gamma, curvatures):
    rule = optimizers.stochastic_diagonal_lm(RATE, MU, EVERY, gamma)
    params, gradient = jnp.zeros(2), jnp.array([1.0, -2.0])
    state, update = rule.init(params), jax.jit(_update, static_argnums=0)
    for estimate, curvature in zip(ESTIMATES, curvatures, strict=True):
        updates, state = update(rule, gradient, state, params, estimate)
        expected = -RATE * np.array([1.0, -2.0]) / (MU + np.array(curvature))
        np.testing.assert_allclose(updates, expected, rtol=1e-6)


def _update(rule, gradient, state, params, estimate):
    known = jnp.asarray(estimate, jnp.float32)
    return rule.update(gradient, state, params, curvature_fn=lambda params: known)
