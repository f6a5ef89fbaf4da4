"""Batch normalization against algorithm 1 of Ioffe & Szegedy 2015, and against torch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from cnn_history.layers import batch_norm


def image(mean=3.0):
    return np.random.default_rng(0).normal(mean, 2, (4, 5, 6, 7)).astype(np.float32)


def random_variables():
    rng = np.random.default_rng(1)
    names = {"params": ("scale", "bias"), "batch_stats": ("mean", "var")}
    return {
        kind: {leaf: rng.uniform(0.5, 2, 7).astype(np.float32) for leaf in leaves}
        for kind, leaves in names.items()
    }


@pytest.mark.parametrize("training", [True, False])
def test_against_torch(training):
    """Outputs, running statistics, and gradients of input, scale and shift."""
    torch = pytest.importorskip("torch")
    x, variables = image(), random_variables()
    upstream = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    theirs = torch.nn.BatchNorm2d(7).train(training)
    theirs.load_state_dict(
        {
            "weight": torch.from_numpy(variables["params"]["scale"]),
            "bias": torch.from_numpy(variables["params"]["bias"]),
            "running_mean": torch.from_numpy(variables["batch_stats"]["mean"].copy()),
            "running_var": torch.from_numpy(variables["batch_stats"]["var"].copy()),
            "num_batches_tracked": torch.tensor(0),
        }
    )
    their_x = torch.from_numpy(x).requires_grad_()
    expected = theirs(their_x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    expected.backward(torch.from_numpy(upstream))

    def product(x, params):
        y, updated = layers.BatchNorm().apply(
            {**variables, "params": params},
            x,
            use_running_average=not training,
            mutable=["batch_stats"],
        )
        return jnp.sum(y * upstream), (y, updated["batch_stats"])

    both = jax.jit(jax.grad(product, (0, 1), has_aux=True))(x, variables["params"])
    (at_x, at_params), (y, statistics) = both
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    close(y, expected.detach().numpy())
    close(statistics["mean"], theirs.running_mean.numpy())
    close(statistics["var"], theirs.running_var.numpy())
    close(at_x, their_x.grad.numpy())
    # Sums of 120 numbers of size 1.
    close(at_params["scale"], theirs.weight.grad.numpy(), atol=1e-4)
    close(at_params["bias"], theirs.bias.grad.numpy(), atol=1e-4)


def train(layer, x, variables=None):
    """Return the outputs and the updated statistics."""

    @jax.jit
    def both(x):
        start = variables or layer.init(jax.random.key(0), x, use_running_average=True)
        return layer.apply(start, x, use_running_average=False, mutable=["batch_stats"])

    y, updated = both(x)
    return y, updated["batch_stats"]


@pytest.mark.parametrize(("unbiased", "ddof"), [(True, 1), (False, 0)])
def test_running_variance_has_the_factor_of_algorithm_2_or_not(unbiased, ddof):
    x = image()[:1, :1, :2]  # of two values: a factor of 2
    _, statistics = train(layers.BatchNorm(unbiased=unbiased, momentum=0.0), x)
    np.testing.assert_allclose(statistics["var"], x[0, 0].var(0, ddof=ddof), rtol=1e-5)


@pytest.mark.parametrize("mean", [0.0, 4096.0, 1e6])
def test_a_large_mean_costs_no_variance(mean):
    """At 1e6 a float32 has one binary digit in 16 behind the point: the rest is exact."""
    x = image(mean)
    y, statistics = train(layers.BatchNorm(momentum=0.0, unbiased=False), x)
    wide = x.astype(np.float64)
    expected = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(statistics["var"], wide.var((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(statistics["mean"], wide.mean((0, 1, 2)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e6, 1e-30])
def test_a_constant_channel_is_finite(value):
    x = jnp.full((4, 3, 3, 2), value)
    layer = layers.BatchNorm()
    variables = layer.init(jax.random.key(0), x, use_running_average=True)

    def total(x):
        return train(layer, x, variables)[0].sum()

    assert float(train(layer, x, variables)[1]["var"][0]) == pytest.approx(0.9)
    assert np.isfinite(jax.jit(jax.grad(total))(x)).all()


def test_groups_of_examples_have_their_own_statistics():
    """Each group is normalized as a batch of its own; the running statistics are the whole's."""
    x = image() + 5 * np.arange(4, dtype=np.float32)[:, None, None, None]
    y, statistics = train(layers.BatchNorm(group_size=2), x)
    halves = [train(layers.BatchNorm(), half)[0] for half in (x[:2], x[2:])]
    np.testing.assert_allclose(y, np.concatenate(halves), rtol=1e-5, atol=1e-5)
    _, whole = train(layers.BatchNorm(), x)
    for name in ("mean", "var"):
        np.testing.assert_allclose(statistics[name], whole[name], rtol=1e-5)
    with pytest.raises(ValueError, match="batch of 4 does not divide into groups of 3"):
        train(layers.BatchNorm(group_size=3), x)


def test_initialization_leaves_the_statistics_alone():
    variables = layers.BatchNorm().init(jax.random.key(0), image(), use_running_average=False)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], np.zeros(7))
    np.testing.assert_array_equal(variables["batch_stats"]["var"], np.ones(7))


def test_bfloat16_keeps_statistics_in_float32():
    layer = layers.BatchNorm(dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), image(), use_running_average=False)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    assert layer.apply(variables, image(), use_running_average=True).dtype == jnp.bfloat16


def written_out(x, scale, bias, epsilon):
    """Algorithm 1 of each group, for jax to differentiate."""
    axes = tuple(range(1, x.ndim - 1))
    mean, var = jnp.mean(x, axes, keepdims=True), jnp.var(x, axes, keepdims=True)
    return (x - mean) / jnp.sqrt(var + epsilon) * scale + bias, mean, var


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_are_those_of_the_formula(order):
    """Of a curved function of all three results, forward and backward; 1e-9 is float64's, and is
    what a mean of 3 deviations costs of it."""
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), 4)
        x = 3 + jax.random.normal(keys[0], (2, 4, 3, 3, 5), jnp.float64)
        scale, bias = 1 + jax.random.normal(keys[1], (2, 5), jnp.float64)
        weights = jax.random.normal(keys[2], x.shape, jnp.float64)
        along = jax.random.normal(keys[3], x.shape, jnp.float64), bias, scale

        def derivatives(norm):
            def value(x, scale, bias):
                y, mean, var = norm(x, scale, bias, 1e-3)
                return jnp.sum(jnp.tanh(y) * weights) + jnp.sum(mean**2) + jnp.sum(jnp.sqrt(var))

            slopes = jax.grad(value, argnums=(0, 1, 2))
            if order == 1:
                return *slopes(x, scale, bias), jax.jvp(value, (x, scale, bias), along)[1]
            return jax.jvp(slopes, (x, scale, bias), along)[1]

        for ours, formula in zip(
            derivatives(batch_norm.normalize), derivatives(written_out), strict=True
        ):
            np.testing.assert_allclose(ours, formula, rtol=1e-9, atol=1e-9)
