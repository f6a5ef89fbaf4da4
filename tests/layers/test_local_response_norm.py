"""Local response normalization against loops over the papers' formula, and against torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers

# Float32: squares and sums of n terms, one power; measured 2e-7.
TOLERANCE = 2e-6


def activations(*shape):
    """Return values so large that the sum matters beside k: alpha · n · 200² is about 20."""
    return np.random.default_rng(0).normal(0, 200, shape).astype(np.float32)


def paper(a, k, n, alpha, beta):
    """Krizhevsky et al. 2012, sec. 3.3: j from max(0, i - n/2) to min(N - 1, i + n/2)."""
    b = np.empty(a.shape, np.float64)
    channels = a.shape[-1]
    for i in range(channels):
        total = np.zeros(a.shape[:-1])
        for j in range(max(0, i - n // 2), min(channels - 1, i + n // 2) + 1):
            total += a[..., j].astype(np.float64) ** 2
        b[..., i] = a[..., i] / (k + alpha * total) ** beta
    return b


@pytest.mark.parametrize(
    ("n", "channels"), [(5, 96), (5, 5), (5, 2), (5, 1), (3, 7), (7, 4), (1, 6)]
)
def test_papers_sum(n, channels):
    x = activations(2, 3, 4, channels)
    y = layers.local_response_norm(x, k=2.0, n=n, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(y, paper(x, 2.0, n, 1e-4, 0.75), rtol=TOLERANCE)


def test_defaults_are_the_papers():
    x = activations(1, 2, 2, 16)
    expected = paper(x, 2.0, 5, 1e-4, 0.75)
    np.testing.assert_allclose(layers.local_response_norm(x), expected, rtol=TOLERANCE)
    np.testing.assert_allclose(layers.LocalResponseNorm().apply({}, x), expected, rtol=TOLERANCE)


def test_caffes_reading():
    """Caffe: (1 + alpha/n · sum)^beta."""
    x = activations(1, 3, 3, 12)
    expected = np.empty(x.shape)
    for i in range(12):
        near = x[..., max(0, i - 2) : i + 3].astype(np.float64)
        expected[..., i] = x[..., i] / (1 + 1e-4 / 5 * np.sum(near**2, -1)) ** 0.75
    y = layers.local_response_norm(x, k=1.0, alpha=1e-4 / 5)
    np.testing.assert_allclose(y, expected, rtol=TOLERANCE)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_torchs_reading(n):
    """torch: k = 1 unless said otherwise, alpha/n; an even window reaches further back."""
    torch = pytest.importorskip("torch")
    x = activations(2, 3, 4, 9)
    theirs = torch.nn.LocalResponseNorm(n)(torch.from_numpy(x).permute(0, 3, 1, 2))
    y = layers.local_response_norm(x, k=1.0, n=n, alpha=1e-4 / n)
    np.testing.assert_allclose(y, theirs.permute(0, 2, 3, 1).numpy(), rtol=TOLERANCE)


def test_gradient_is_torchs():
    torch = pytest.importorskip("torch")
    x = activations(1, 2, 3, 8)
    weight = activations(1, 2, 3, 8)
    tensor = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
    y = torch.nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)(tensor)
    (y * torch.from_numpy(weight).permute(0, 3, 1, 2)).sum().backward()
    ours = jax.grad(lambda x: jnp.sum(layers.local_response_norm(x) * weight))(x)
    theirs = tensor.grad.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


def test_bfloat16_is_computed_in_float32():
    """Only the output is rounded: half a unit in the eighth bit."""
    x = jnp.asarray(activations(2, 3, 3, 16), jnp.bfloat16)
    y = layers.local_response_norm(x)
    assert y.dtype == jnp.bfloat16
    expected = paper(np.asarray(x, np.float32), 2.0, 5, 1e-4, 0.75)
    np.testing.assert_allclose(np.asarray(y, np.float32), expected, rtol=2**-8)


def test_stands_where_a_batch_normalization_does():
    x = activations(1, 2, 2, 4)
    for training in (True, False):
        layer = layers.LocalResponseNorm(name="norm", dtype=jnp.bfloat16)
        variables = layer.init(jax.random.key(0), x, use_running_average=training)
        assert not jax.tree.leaves(variables)
        y = layer.apply(variables, x, use_running_average=training)
        assert y.dtype == jnp.bfloat16
