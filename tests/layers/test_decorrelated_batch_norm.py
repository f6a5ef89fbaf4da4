"""Whitening against NumPy, and its gradient against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from cnn_history.layers.decorrelated_batch_norm import inverse_square_root
from cnn_history.models.resnet import CifarResNet

EPSILON = 1e-5
SHAPES = {"dense": (240, 10), "convolutional": (10, 4, 6, 10)}


def correlated(shape, dtype=np.float32, mean=3.0):
    """Return features whose covariance is far from diagonal."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(shape[-1], shape[-1])) / 2 + np.eye(shape[-1])
    return (rng.normal(size=shape) @ mix + mean).astype(dtype)


def train(layer, x):
    """Return the outputs of training, and the statistics after it."""

    @jax.jit
    def both(x):
        variables = layer.init(jax.random.key(0), x, use_running_average=True)
        return layer.apply(variables, x, use_running_average=False, mutable=["batch_stats"])

    return both(x)


def whitened(x, size, epsilon=EPSILON):
    """By NumPy's eigenvectors, in float64, a group at a time."""
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    flat = flat - flat.mean(0)
    parts, matrices = [], []
    for first in range(0, x.shape[-1], size):
        part = flat[:, first : first + size]
        values, vectors = np.linalg.eigh(
            part.T @ part / len(part) + epsilon * np.eye(part.shape[1])
        )
        matrices.append(vectors / np.sqrt(values) @ vectors.T)
        parts.append(part @ matrices[-1])
    return np.concatenate(parts, 1).reshape(x.shape), matrices


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("size", [5, 4, 16])  # two groups; 4, 4 and 2; one of all 10
def test_against_numpy(shape, size):
    x = correlated(shape)
    y, updated = train(layers.DecorrelatedBatchNorm(size, momentum=0.0), x)
    expected, matrices = whitened(x, size)
    np.testing.assert_allclose(y, expected, atol=2e-4)  # condition 1e3 times 1e-7
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], x.reshape(-1, 10).mean(0), rtol=1e-5)
    made = [m for name in ("whitening", "whitening_last") for m in statistics.get(name, ())]
    assert len(made) == len(matrices)
    for ours, theirs in zip(made, matrices, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_the_covariance_is_the_identity_but_for_epsilon():
    """An eigenvalue v of the covariance becomes v / (v + epsilon), exactly, in float64."""
    x = correlated((500, 6), np.float64)
    before = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    with jax.enable_x64(True):
        layer = layers.DecorrelatedBatchNorm(6, epsilon=0.1, dtype=jnp.float64)
        y = np.asarray(train(layer, x)[0])
    after = np.linalg.eigvalsh(np.cov(y.T, bias=True))
    np.testing.assert_allclose(after, before / (before + 0.1), rtol=1e-12)


def test_a_large_mean_costs_nothing():
    x = correlated((240, 6)) + np.float32(1e6)
    y, _ = train(layers.DecorrelatedBatchNorm(6), x)
    np.testing.assert_allclose(y, whitened(x, 6)[0], atol=2e-4)


def test_training_and_testing_with_running_statistics():
    """Averages of means and of whitening matrices; the last batch's own give the same outputs."""
    x = correlated((100, 8))
    layer = layers.DecorrelatedBatchNorm(4, momentum=0.75)
    _, updated = train(layer, x)
    _, matrices = whitened(x, 4)
    expected = 0.75 * np.eye(4) + 0.25 * np.stack(matrices)
    np.testing.assert_allclose(updated["batch_stats"]["whitening"], expected, atol=1e-4)
    np.testing.assert_allclose(updated["batch_stats"]["mean"], 0.25 * x.mean(0), rtol=1e-5)

    last = layers.DecorrelatedBatchNorm(4, momentum=0.0)
    y, updated = train(last, x)
    params = last.init(jax.random.key(0), x, use_running_average=True)["params"]
    tested = last.apply({"params": params, **updated}, x, use_running_average=True)
    np.testing.assert_allclose(tested, y, atol=1e-4)


def test_newtons_iteration_goes_to_zca():
    """Five steps are near where eigenvalues are alike; ten are there."""
    rng = np.random.default_rng(1)
    alike = (rng.normal(size=(400, 8)) + 0.3 * rng.normal(size=(400, 1))).astype(np.float32)
    zca, _ = train(layers.DecorrelatedBatchNorm(8), alike)
    five, _ = train(layers.DecorrelatedBatchNorm(8, method="iterative"), alike)
    np.testing.assert_allclose(five, zca, atol=0.05)
    with jax.enable_x64(True):
        ten = layers.DecorrelatedBatchNorm(8, method="iterative", iterations=10, dtype=jnp.float64)
        made, _ = train(ten, alike.astype(np.float64))
    np.testing.assert_allclose(made, whitened(alike, 8)[0], atol=1e-6)


@pytest.mark.parametrize("values", [(2.0, 2.0, 2.0), (2.0, 2.0, 1.0), (2.0, 2.0 + 1e-9, 0.5)])
def test_derivative_of_the_inverse_square_root_at_equal_eigenvalues(values):
    """Against NumPy's eigenvectors, a direction at a time, by central differences in float64."""
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix = vectors * values @ vectors.T
    direction = rng.normal(size=(3, 3))
    direction += direction.T

    def numpy(m):
        eigenvalues, basis = np.linalg.eigh(m)
        return basis / np.sqrt(eigenvalues) @ basis.T

    h = 1e-5
    expected = (numpy(matrix + h * direction) - numpy(matrix - h * direction)) / (2 * h)
    for dtype, tolerance in ((jnp.float64, 1e-8), (jnp.float32, 1e-5)):
        with jax.enable_x64(dtype == jnp.float64):
            point, along = jnp.asarray(matrix, dtype), jnp.asarray(direction, dtype)
            _, made = jax.jvp(lambda m: inverse_square_root(m, EPSILON), (point,), (along,))
            np.testing.assert_allclose(made, expected, atol=tolerance)


@pytest.mark.parametrize("method", ["zca", "iterative"])
@pytest.mark.parametrize("kind", ["correlated", "repeated eigenvalues"])
def test_gradient_against_finite_differences(method, kind):
    """Of the whole layer; the repeated ones are of a covariance that is a multiple of I."""
    x = correlated((12, 3), np.float64)
    if kind == "repeated eigenvalues":
        x = 2 * whitened(x, 3, 0.0)[0] + 1.0
        np.testing.assert_allclose(np.cov(x.T, bias=True), 4 * np.eye(3), atol=1e-12)
    upstream = np.random.default_rng(3).normal(size=x.shape)
    expected, h = np.zeros_like(x), 1e-6
    made = {}
    for dtype in (jnp.float64, jnp.float32):
        with jax.enable_x64(dtype == jnp.float64):
            layer = layers.DecorrelatedBatchNorm(3, method=method, dtype=dtype)
            variables = layer.init(jax.random.key(0), jnp.asarray(x, dtype), True)

            @jax.jit
            def product(x, layer=layer, variables=variables):
                y, _ = layer.apply(variables, x, False, mutable=["batch_stats"])
                return jnp.sum(y * upstream)

            made[dtype] = np.asarray(jax.jit(jax.grad(product))(jnp.asarray(x, dtype)))
            if dtype == jnp.float64:
                for i in np.ndindex(*x.shape):
                    step = np.zeros_like(x)
                    step[i] = h
                    expected[i] = (product(x + step) - product(x - step)) / (2 * h)
    np.testing.assert_allclose(made[jnp.float64], expected, atol=1e-7)
    np.testing.assert_allclose(made[jnp.float32], expected, atol=1e-4)


def test_gradient_is_finite_where_nothing_varies():
    """All eigenvalues are epsilon: dead channels, or a batch of one."""
    layer = layers.DecorrelatedBatchNorm(4)
    x = jnp.full((6, 4), 7.0)
    variables = layer.init(jax.random.key(0), x, True)

    def total(x):
        return jnp.sum(layer.apply(variables, x, False, mutable=["batch_stats"])[0] ** 2)

    assert np.isfinite(jax.jit(jax.grad(total))(x)).all()


def test_bfloat16_keeps_statistics_in_float32_and_scale_is_an_option():
    layer = layers.DecorrelatedBatchNorm(4, dtype=jnp.bfloat16, scale_and_shift=False)
    x = correlated((50, 8))
    variables = layer.init(jax.random.key(0), x, True)
    assert "params" not in variables
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    y, _ = train(layer, x)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype(jnp.float32), whitened(x, 4)[0], rtol=2**-7, atol=1e-3)


def test_a_wrong_method_is_refused():
    with pytest.raises(ValueError, match="unknown method 'newton'"):
        train(layers.DecorrelatedBatchNorm(method="newton"), correlated((8, 4)))


def test_first_means_the_first_place_of_the_network():
    """It has one whitening matrix, and the parameters of a net of batch normalization."""
    x = jnp.zeros((2, 8, 8, 3))

    def shapes(norm):
        network = CifarResNet(1, features=(16, 16, 16), norm=norm)
        made = jax.eval_shape(lambda: network.init(jax.random.key(0), x, train=False))
        _, updated = jax.eval_shape(
            lambda v: network.apply(v, x, train=True, mutable=["batch_stats"]), made
        )
        jax.eval_shape(lambda v: network.apply(v, x, train=False), made)
        assert jax.tree.structure(updated["batch_stats"]) == jax.tree.structure(made["batch_stats"])
        return jax.tree.map(lambda leaf: leaf.shape, made)

    first, plain = shapes(layers.DecorrelatedFirst), shapes(layers.BatchNorm)
    assert first["params"] == plain["params"]
    assert first["batch_stats"].pop("norm1") == {"mean": (16,), "whitening": (1, 16, 16)}
    plain["batch_stats"].pop("norm1")
    assert first["batch_stats"] == plain["batch_stats"]
