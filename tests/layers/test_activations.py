"""Activations."""

import numpy as np

from cnn_history import layers


def test_scaled_tanh_is_the_papers():
    """LeCun et al. 1998, appendix A: f(±1) = ±1, and the second derivative is largest there."""
    x = np.linspace(-2, 2, 401)
    y = np.asarray(layers.scaled_tanh(x), np.float64)
    np.testing.assert_allclose(y[[100, 300]], [-1, 1], atol=1e-5)
    curvature = np.abs(np.diff(y, 2))
    assert abs(abs(x[1 + curvature.argmax()]) - 1) < 0.05
