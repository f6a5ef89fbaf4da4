"""The radial-basis-function output against eq. 7 of LeCun et al. 1998, and against torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from cnn_history.models import lenet5


@pytest.fixture
def units():
    return np.random.default_rng(0).normal(size=(3, 84)).astype(np.float32)


def test_against_loops(units):
    codes = lenet5.rbf_codes()
    y = np.zeros((3, 10))
    for i in range(10):
        for j in range(84):
            y[:, i] += (units[:, j].astype(np.float64) - codes[i, j]) ** 2
    np.testing.assert_allclose(layers.RBFOutput(codes).apply({}, units), -y, rtol=1e-5)


def test_against_torch(units):
    torch = pytest.importorskip("torch")
    codes = lenet5.rbf_codes()
    distances = torch.cdist(torch.from_numpy(units).double(), torch.from_numpy(codes))
    ours = layers.RBFOutput(codes).apply({}, units)
    np.testing.assert_allclose(ours, -(distances.numpy() ** 2), rtol=1e-5)


def test_codes_are_no_parameters(units):
    layer = layers.RBFOutput(lenet5.rbf_codes())
    assert not jax.tree.leaves(layer.init(jax.random.key(0), units))


def test_a_units_own_code_wins():
    codes = lenet5.rbf_codes()
    logits = layers.RBFOutput(codes).apply({}, jnp.asarray(codes, jnp.bfloat16))
    assert logits.dtype == jnp.float32
    assert np.array_equal(logits.argmax(-1), np.arange(10))
    assert np.array_equal(np.diag(logits), np.zeros(10))
