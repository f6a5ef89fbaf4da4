"""Partial connection against table I of LeCun et al. 1998, map by map, and against torch."""

import jax
import numpy as np
import pytest

from cnn_history import initializers, layers
from cnn_history.models import lenet5

CONNECTIONS = lenet5.C3_INPUTS
FILTERS = sum(len(inputs) for inputs in CONNECTIONS)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 7, 6)).astype(np.float32)
    kernel = rng.normal(size=(5, 5, FILTERS)).astype(np.float32)
    bias = rng.normal(size=len(CONNECTIONS)).astype(np.float32)
    return x, kernel, bias


def layer(connections=CONNECTIONS):
    return layers.PartialConv(connections, (5, 5), initializers.lecun_1998())


def apply(x, kernel, bias):
    return layer().apply({"params": {"kernel": kernel, "bias": bias}}, x)


def test_against_loops(case):
    x, kernel, bias = case
    y = np.zeros((2, 4, 3, len(CONNECTIONS)))
    filters = iter(np.moveaxis(kernel, -1, 0))
    for j, inputs in enumerate(CONNECTIONS):
        for i in inputs:
            f = next(filters)
            for p in range(5):
                for q in range(5):
                    y[..., j] += float(f[p, q]) * x[:, p : p + 4, q : q + 3, i]
    np.testing.assert_allclose(apply(*case), y + bias, rtol=1e-5, atol=1e-5)


def test_against_torch(case):
    """Each map is a convolution of its own inputs."""
    torch = pytest.importorskip("torch")
    x, kernel, bias = map(torch.from_numpy, case)
    x = x.permute(0, 3, 1, 2)
    maps, first = [], 0
    for j, inputs in enumerate(CONNECTIONS):
        filters = kernel[..., first : first + len(inputs)].permute(2, 0, 1)[None]
        maps.append(torch.nn.functional.conv2d(x[:, list(inputs)], filters, bias[j : j + 1]))
        first += len(inputs)
    theirs = torch.cat(maps, 1).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(apply(*case), theirs, rtol=1e-5, atol=1e-5)


def test_only_the_existing_filters_are_parameters():
    params = layer().init(jax.random.key(0), np.zeros((1, 5, 5, 6), np.float32))["params"]
    assert jax.tree.map(np.shape, params) == {"kernel": (5, 5, 60), "bias": (16,)}  # 1,516


def test_fan_in_is_that_of_the_unit():
    """Units with 1 and with 100 inputs start in their own ranges, ±2.4 / (25 · inputs)."""
    connections = ((0,), tuple(range(100)))
    x = np.zeros((1, 5, 5, 100), np.float32)
    kernel = layer(connections).init(jax.random.key(0), x)["params"]["kernel"]
    assert 2.4 / 25 * 0.5 < np.abs(kernel[..., 0]).max() <= 2.4 / 25
    assert 2.4 / 2500 * 0.9 < np.abs(kernel[..., 1:]).max() <= 2.4 / 2500
