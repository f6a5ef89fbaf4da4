"""Every protocol against views cut one by one with NumPy."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import evaluation

SIZE = 6
LANDSCAPE, PORTRAIT, SQUARE = (9, 14), (13, 8), (8, 8)
NEARLY = (8, 9)  # square at the smaller scales only


def images(h, w):
    return np.random.default_rng(h * w).random((2, h, w, 3)).astype(np.float32)


def probabilities(views):
    """A softmax of fixed random features that tell every position and channel apart."""
    features = np.random.default_rng(0).normal(size=(SIZE * SIZE * 3, 5)).astype(np.float32)
    return jax.nn.softmax(jnp.reshape(views, (len(views), -1)) @ features)


def by_hand(crops):
    """[views][n, size, size, c] -> [n, classes], with a mirror image of each."""
    made = [np.asarray(probabilities(view)) for crop in crops for view in (crop, np.flip(crop, 2))]
    return np.mean(made, axis=0), len(made)


def resized(x, height, width):
    """Two matrix products: rows of triangles, widened where they shrink, each summing to 1."""

    def matrix(old, new):
        ratio = new / old
        centres = (np.arange(new) + 0.5) / ratio - 0.5
        distance = np.abs(np.arange(old) - centres[:, None]) * min(1, ratio)
        weights = np.maximum(0, 1 - distance)
        return weights / weights.sum(1, keepdims=True)

    rows, columns = matrix(x.shape[1], height), matrix(x.shape[2], width)
    return np.einsum("ih,jw,nhwc->nijc", rows, columns, x).astype(np.float32)


def at_scale(x, scale):
    h, w = x.shape[1:3]
    return resized(x, int(scale * h / min(h, w)), int(scale * w / min(h, w)))


def five(x):
    """Corners and centre."""
    (h, w), s = x.shape[1:3], SIZE
    top, left = round((h - s) / 2), round((w - s) / 2)  # half of an odd margin to even
    return [
        x[:, :s, :s],
        x[:, :s, w - s :],
        x[:, h - s :, :s],
        x[:, h - s :, w - s :],
        x[:, top : top + s, left : left + s],
    ]


def three_squares(x):
    h, w = x.shape[1:3]
    if w > h:
        return [x[:, :, :h], x[:, :, round((w - h) / 2) : round((w - h) / 2) + h], x[:, :, w - h :]]
    return [x[:, :w], x[:, round((h - w) / 2) : round((h - w) / 2) + w], x[:, h - w :]]


@pytest.mark.parametrize("shape", [LANDSCAPE, SQUARE])
def test_ten_crop(shape):
    x = images(*shape)
    expected, count = by_hand(five(x))
    assert count == 10
    np.testing.assert_allclose(evaluation.ten_crop(probabilities, x, SIZE), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [LANDSCAPE, PORTRAIT, SQUARE, NEARLY])
def test_crops144(shape):
    x, scales = images(*shape), (6, 7, 9, 12)
    expected, count = by_hand(
        crop
        for scale in scales
        for square in three_squares(at_scale(x, scale))
        for crop in (*five(square), resized(square, SIZE, SIZE))
    )
    assert count == 144
    for where in (x, jnp.asarray(x)):  # resized on the host, and by a program
        made = evaluation.crops144(probabilities, where, size=SIZE, scales=scales)
        np.testing.assert_allclose(made, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [LANDSCAPE, PORTRAIT])
def test_crops150(shape):
    x, scales = images(*shape), (6, 10, 15)
    crops = []
    for scale in scales:
        scaled = at_scale(x, scale)
        h, w = scaled.shape[1:3]
        for top in np.linspace(0, h - SIZE, 5).astype(int):
            for left in np.linspace(0, w - SIZE, 5).astype(int):
                crops.append(scaled[:, top : top + SIZE, left : left + SIZE])
    expected, count = by_hand(crops)
    assert count == 150
    for where in (x, jnp.asarray(x)):
        made = evaluation.crops150(probabilities, where, size=SIZE, scales=scales)
        np.testing.assert_allclose(made, expected, atol=1e-6)


def test_the_papers_scales():
    scales = {
        name: inspect.signature(protocol.run).parameters["scales"].default
        for name, protocol in evaluation.PROTOCOLS.items()
        if "scales" in protocol.options
    }
    assert scales.pop("crops144") == (256, 288, 320, 352)
    assert set(scales) == {"crops150", "multi_scale_dense", "multi_crop_and_dense"}
    assert set(scales.values()) == {(256, 384, 512)}


# A network without padding, of one 6x6 convolution; its scores by position, and their mean.


def scores(x):
    kernel = np.random.default_rng(1).normal(size=(SIZE, SIZE, 3, 5)).astype(np.float32)
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)


def averaged(x):
    return jax.nn.softmax(scores(x).mean((1, 2)))


def by_position(x):
    return jax.nn.softmax(scores(x))


def windows(x):
    """[n, h, w, c] -> every crop, [n, h', w', size, size, c]."""
    cut = np.lib.stride_tricks.sliding_window_view(x, (SIZE, SIZE), (1, 2))
    return np.moveaxis(cut, 3, -1)


def test_dense_is_the_mean_over_the_crops_it_stands_for():
    x = images(*LANDSCAPE)
    last, first = [], []
    for view in (x, np.flip(x, 2)):
        cut = windows(view)
        of_crops = np.asarray(scores(cut.reshape(-1, SIZE, SIZE, 3))).reshape(*cut.shape[:3], 5)
        last.append(jax.nn.softmax(of_crops.mean((1, 2))))
        first.append(jax.nn.softmax(of_crops).mean((1, 2)))
    made = evaluation.dense(averaged, x, size=SIZE)
    np.testing.assert_allclose(made, np.mean(last, 0), atol=1e-5)
    other = evaluation.dense(by_position, x, size=SIZE)
    np.testing.assert_allclose(other, np.mean(first, 0), atol=1e-5)
    assert np.abs(made - other).max() > 0.01


def test_dense_on_one_crop_is_the_crop():
    x = images(SIZE, SIZE)
    expected = (averaged(x) + averaged(np.flip(x, 2))) / 2
    np.testing.assert_allclose(evaluation.dense(averaged, x, size=SIZE), expected, atol=1e-6)


def test_several_scales_and_both_kinds():
    x, scales = images(*PORTRAIT), (6, 9)
    each = [evaluation.dense(averaged, at_scale(x, scale), size=SIZE) for scale in scales]
    made = evaluation.multi_scale_dense(averaged, x, size=SIZE, scales=scales)
    np.testing.assert_allclose(made, np.mean(each, 0), atol=1e-5)
    crops = evaluation.crops150(averaged, x, size=SIZE, scales=scales)
    for function in (averaged, by_position):
        dense = evaluation.multi_scale_dense(function, x, size=SIZE, scales=scales)
        both = evaluation.multi_crop_and_dense(function, x, size=SIZE, scales=scales)
        np.testing.assert_allclose(both, (crops + dense) / 2, atol=1e-6)


@pytest.mark.parametrize("name", evaluation.PROTOCOLS)
def test_too_small(name):
    protocol = evaluation.PROTOCOLS[name]
    scales = {"scales": (6, 5)} if "scales" in protocol.options else {}
    with pytest.raises(ValueError, match=re.escape(f"no {SIZE}x{SIZE} crop fits in images of 5x5")):
        protocol.run(averaged, images(5, 5), size=SIZE, **scales)


def test_protocols_compose_with_ensembles_and_each_other():
    x = images(*LANDSCAPE)

    def ensemble(view):
        return (probabilities(view) + probabilities(2 * view)) / 2

    one, two = (
        evaluation.ten_crop(lambda view, f=f: probabilities(f * view), x, SIZE) for f in (1, 2)
    )
    made = evaluation.ten_crop(ensemble, x, size=SIZE)
    np.testing.assert_allclose(made, (one + two) / 2, atol=1e-6)
    nested = evaluation.ten_crop(
        lambda view: evaluation.single_crop(probabilities, view, SIZE), x, size=7
    )
    assert nested.shape == (2, 5)
    np.testing.assert_allclose(nested.sum(-1), 1, atol=1e-5)
