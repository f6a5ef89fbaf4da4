"""A grouped convolution follows the paper: the first maps read only the first inputs."""

import numpy as np
import pytest

from cnn_history import layers

GROUPS, KERNEL, INPUTS, MAPS = 2, 3, 4, 6


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 8, INPUTS)).astype(np.float32)
    kernel = rng.normal(size=(KERNEL, KERNEL, INPUTS // GROUPS, MAPS)).astype(np.float32)
    bias = rng.normal(size=MAPS).astype(np.float32)
    return x, kernel, bias


def apply(x, kernel, bias):
    layer = layers.Conv(MAPS, (KERNEL, KERNEL), padding=1, feature_group_count=GROUPS)
    return layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)


def test_against_loops(case):
    x, kernel, bias = case
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((*x.shape[:3], MAPS))
    for j in range(MAPS):
        group = j // (MAPS // GROUPS)  # fig. 2: maps of a GPU read that GPU's maps
        first = group * (INPUTS // GROUPS)
        for i in range(INPUTS // GROUPS):
            for p in range(KERNEL):
                for q in range(KERNEL):
                    window = padded[:, p : p + x.shape[1], q : q + x.shape[2], first + i]
                    y[..., j] += kernel[p, q, i, j] * window
    np.testing.assert_allclose(apply(*case), y + bias, rtol=1e-5, atol=1e-5)


def test_against_torch(case):
    torch = pytest.importorskip("torch")
    x, kernel, bias = map(torch.from_numpy, case)
    y = torch.nn.functional.conv2d(
        x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), bias, padding=1, groups=GROUPS
    )
    theirs = y.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(apply(*case), theirs, rtol=1e-5, atol=1e-5)
