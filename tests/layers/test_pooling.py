"""Pooling against loops over its windows, and against torch over many sizes."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers

# Window, stride, padding: LeNet-5's, AlexNet's, ResNet's and odd
# ones in which windows skip positions, or in which ceil mode's last window starts in the padding.
SHAPES = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 4, 1), (2, 2, 1), (5, 3, 2)]
SIZES = [(5, 6), (8, 7), (9, 13)]
CASES = [(*shape, ceil) for shape, ceil in itertools.product(SHAPES, [False, True])]


def image(h, w, channels=3):
    """Return values that are never zero, so that padding cannot win or be averaged unnoticed."""
    return np.random.default_rng(h * 100 + w).normal(-3, 1, (2, h, w, channels)).astype(np.float32)


def spans(size, window, stride, pad, ceil_mode):
    """Return (start, end) of each window of an axis; ends may lie beyond the padding.

    Windows start at -pad and every `stride` on: while they end inside the padded image, and in
    ceil mode also while they start before the image's end, unless the last one is complete.
    """
    starts = itertools.count(-pad, stride)
    chosen = []
    for start in starts:
        end = start + window
        last_is_short = bool(chosen) and chosen[-1][1] < size + pad
        if end <= size + pad or (ceil_mode and start < size and last_is_short):
            chosen.append((start, end))
        else:
            return chosen


def pooled(x, window, stride, pad, ceil_mode, reduce):
    """Return `reduce(values [n, positions, c], rows, columns)` of each window."""
    h, w = x.shape[1:3]
    return np.stack(
        [
            np.stack(
                [
                    reduce(x[:, max(top, 0) : bottom, max(left, 0) : right], rows, columns)
                    for columns in spans(w, window, stride, pad, ceil_mode)
                    for left, right in [columns]
                ],
                axis=1,
            )
            for rows in spans(h, window, stride, pad, ceil_mode)
            for top, bottom in [rows]
        ],
        axis=1,
    )


def pairs(k, s):
    return (k, k), (s, s)


@pytest.mark.parametrize(("window", "stride", "pad", "ceil"), CASES)
def test_max_pool(window, stride, pad, ceil):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.MaxPool2d(window, stride, pad, ceil_mode=ceil)
    layer = layers.MaxPool(*pairs(window, stride), padding=pad, ceil_mode=ceil)
    for h, w in SIZES:
        x = image(h, w)
        y = layer.apply({}, x)
        loops = pooled(x, window, stride, pad, ceil, lambda v, rows, columns: v.max((1, 2)))
        np.testing.assert_array_equal(y, loops)
        tensor = theirs(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        np.testing.assert_array_equal(y, tensor.numpy())


@pytest.mark.parametrize(
    ("window", "stride", "pad", "ceil", "count_padding"),
    [(*case, count) for case in CASES for count in ([True, False] if case[2] else [True])],
)
def test_avg_pool(window, stride, pad, ceil, count_padding):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.AvgPool2d(
        window, stride, pad, ceil_mode=ceil, count_include_pad=count_padding
    )
    layer = layers.AvgPool(
        *pairs(window, stride), padding=pad, ceil_mode=ceil, count_padding=count_padding
    )
    for h, w in SIZES:
        x = image(h, w)

        def mean(values, rows, columns):
            """Divide by the positions in the image, or in the image with its padding."""
            edge = pad if count_padding else 0
            counted = [
                min(end, size + edge) - max(start, -edge)
                for (start, end), size in zip((rows, columns), (h, w), strict=True)  # noqa: B023
            ]
            return values.sum((1, 2), dtype=np.float64) / np.prod(counted)

        y = layer.apply({}, x)
        loops = pooled(x, window, stride, pad, ceil, mean)
        np.testing.assert_allclose(y, loops, rtol=1e-6)  # float32: a sum of at most 25 terms
        tensor = theirs(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        np.testing.assert_allclose(y, tensor.numpy(), rtol=1e-6)


def test_averages_in_bfloat16_are_summed_in_float32():
    """The mean of 1,024 values near 1: a sum of eight bits stops growing at 256."""
    x = jnp.asarray(np.random.default_rng(0).uniform(0.9, 1.1, (1, 32, 32, 1)), jnp.bfloat16)
    y = layers.AvgPool((32, 32), (32, 32)).apply({}, x)
    assert y.dtype == jnp.bfloat16
    expected = np.asarray(x, np.float64).mean()
    np.testing.assert_allclose(float(y[0, 0, 0, 0]), expected, rtol=2**-8)


@pytest.mark.parametrize("size", [(6, 6), (7, 7), (2, 3), (1, 1)])
@pytest.mark.parametrize(("h", "w"), [(6, 6), (7, 7), (1, 1), (13, 5), (8, 14), (3, 20)])
def test_adaptive_avg_pool(h, w, size):
    """Smaller grids average, larger ones repeat, as torch's do."""
    torch = pytest.importorskip("torch")
    x = image(h, w)
    theirs = torch.nn.AdaptiveAvgPool2d(size)(torch.from_numpy(x).permute(0, 3, 1, 2))
    y = layers.AdaptiveAvgPool(size).apply({}, x)
    np.testing.assert_allclose(y, theirs.permute(0, 2, 3, 1).numpy(), rtol=1e-6)
    if (h, w) == size:
        np.testing.assert_array_equal(y, x)


def test_global_avg_pool():
    x = image(7, 5)
    y = layers.GlobalAvgPool().apply({}, x)
    np.testing.assert_allclose(y, x.mean((1, 2), dtype=np.float64), rtol=1e-6)
