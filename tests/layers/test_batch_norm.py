"""Batch normalization against algorithm 1 of Ioffe & Szegedy 2015, and against torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers


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
    torch = pytest.importorskip("torch")
    x, variables = image(), random_variables()
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
    expected = theirs(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    y, updated = layers.BatchNorm().apply(
        variables, x, use_running_average=not training, mutable=["batch_stats"]
    )
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], theirs.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(statistics["var"], theirs.running_var.numpy(), rtol=1e-5)


def test_a_large_mean_costs_no_variance():
    """A mean of 4,096 beside a standard deviation of 2: E[x²] - E[x]² would be noise."""
    x = image(mean=4096.0)
    layer = layers.BatchNorm()
    variables = layer.init(jax.random.key(0), x, use_running_average=False)
    y, _ = layer.apply(variables, x, use_running_average=False, mutable=["batch_stats"])
    wide = x.astype(np.float64)
    expected = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(y, expected, atol=2e-3)  # the mean itself is rounded at 2^-11


def test_initialization_leaves_the_statistics_alone():
    variables = layers.BatchNorm().init(jax.random.key(0), image(), use_running_average=False)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], np.zeros(7))
    np.testing.assert_array_equal(variables["batch_stats"]["var"], np.ones(7))


def test_bfloat16_keeps_statistics_in_float32():
    layer = layers.BatchNorm(dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), image(), use_running_average=False)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    assert layer.apply(variables, image(), use_running_average=True).dtype == jnp.bfloat16
