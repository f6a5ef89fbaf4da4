"""Trainable subsampling against the formula of LeCun et al. 1998, sec. II-B, and against torch."""

import jax
import numpy as np
import pytest

from cnn_history import initializers, layers

MAPS = 6


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 6, MAPS)).astype(np.float32)
    coefficient, bias = rng.normal(size=(2, MAPS)).astype(np.float32)
    return x, coefficient, bias


def apply(x, coefficient, bias):
    layer = layers.TrainableSubsampling(initializers.lecun_1998())
    return layer.apply({"params": {"coefficient": coefficient, "bias": bias}}, x)


def test_against_loops(case):
    x, coefficient, bias = case
    y = np.empty((2, 4, 3, MAPS))
    for row in range(4):
        for column in range(3):
            four = x[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            y[:, row, column] = coefficient * four.sum((1, 2), dtype=np.float64) + bias
    np.testing.assert_allclose(apply(*case), y, rtol=1e-5, atol=1e-5)


def test_against_torch(case):
    """A convolution by 2x2 kernels of one value, stride 2, a group a map."""
    torch = pytest.importorskip("torch")
    x, coefficient, bias = map(torch.from_numpy, case)
    kernel = coefficient[:, None, None, None].expand(MAPS, 1, 2, 2)
    y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, bias, stride=2, groups=MAPS)
    theirs = y.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(apply(*case), theirs, rtol=1e-5, atol=1e-5)


def test_two_parameters_a_map_drawn_with_fan_in_4(case):
    layer = layers.TrainableSubsampling(initializers.lecun_1998())
    x = np.zeros((1, 2, 2, 10_000), np.float32)
    params = layer.init(jax.random.key(0), x)["params"]
    assert jax.tree.map(np.shape, params) == {"coefficient": (10_000,), "bias": (10_000,)}
    assert np.ptp(params["coefficient"]) == pytest.approx(2 * 2.4 / 4, rel=1e-2)
