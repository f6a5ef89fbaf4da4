"""A fully-connected layer is a matrix product on its own size, and slides over larger images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import initializers, layers

WINDOW, FEATURES = (3, 4), 5


def layer(dtype=jnp.float32):
    return layers.FullyConnected(FEATURES, WINDOW, initializers.gaussian(1.0), dtype=dtype)


@pytest.fixture
def variables():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(*WINDOW, 2, FEATURES)).astype(np.float32)
    return {"params": {"kernel": kernel, "bias": rng.normal(size=FEATURES).astype(np.float32)}}


def image(h, w):
    return np.random.default_rng(1).normal(size=(2, h, w, 2)).astype(np.float32)


def test_own_size_is_the_matrix_product(variables):
    x = image(*WINDOW)
    kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
    expected = x.reshape(2, -1).astype(np.float64) @ kernel.reshape(-1, FEATURES) + bias
    y = layer().apply(variables, x)
    assert y.shape == (2, 1, 1, FEATURES)
    np.testing.assert_allclose(y[:, 0, 0], expected, rtol=1e-5, atol=1e-5)


def test_larger_images_give_every_crop(variables):
    x = image(5, 7)
    y = layer().apply(variables, x)
    assert y.shape == (2, 3, 4, FEATURES)
    for row in range(3):
        for column in range(4):
            crop = x[:, row : row + 3, column : column + 4]
            expected = layer().apply(variables, crop)[:, 0, 0]
            np.testing.assert_allclose(y[:, row, column], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [WINDOW, (5, 7)])
def test_bfloat16_keeps_its_parameters_in_float32(size):
    x = image(*size)
    variables = layer(jnp.bfloat16).init(jax.random.key(0), x)
    assert {p.dtype for p in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    assert layer(jnp.bfloat16).apply(variables, x).dtype == jnp.bfloat16
