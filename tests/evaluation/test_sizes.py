"""Views of five protocols on photos of 1,600 sizes, against views cut by hand from Pillow's.

Photos have their natural sizes; the network's input and all scales are an eighth of the usual.
"""

import functools

import numpy as np
import pytest
from PIL import Image

from cnn_history import evaluation
from cnn_history.datasets import adapters

SIDES = range(205, 605, 10)
SIZE, MARGIN = 28, 32
SCALES_144, SCALES_150 = (32, 36, 40, 44), (32, 48, 64)


@functools.cache
def waves(side):
    return np.cos(np.outer((1, 3), np.arange(side)) / 7).astype(np.float32) / side


def features(views):
    """[1, h, w, 1] -> [1, 4], linear, and different for each position."""
    (view,) = views[..., 0]
    h, w = view.shape
    return (waves(h) @ view @ waves(w).T).reshape(1, 4)


def by_pillow(picture, rows, columns):
    """[h, w] uint8 or float32 -> [rows, columns], the same."""
    scaled = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(scaled)


def shorter(picture, scale):
    h, w = picture.shape
    return by_pillow(picture, int(scale * h / min(h, w)), int(scale * w / min(h, w)))


def centre(picture, size):
    top, left = (round((side - size) / 2) for side in picture.shape)
    return picture[top : top + size, left : left + size]


def five(picture):
    s = SIZE
    corners = [picture[:s, :s], picture[:s, -s:], picture[-s:, :s], picture[-s:, -s:]]
    return [*corners, centre(picture, s)]


def of_144(unit):
    for scale in SCALES_144:
        scaled = shorter(unit, scale)
        long = scaled if scaled.shape[0] >= scaled.shape[1] else scaled.T
        squares = [long[:scale], centre(long, scale), long[-scale:]]
        for square in squares if long is scaled else [square.T for square in squares]:
            yield from five(square)
            yield by_pillow(np.ascontiguousarray(square), SIZE, SIZE)


def of_150(unit):
    for scale in SCALES_150:
        scaled = shorter(unit, scale)
        tops, lefts = ([i * (side - SIZE) // 4 for i in range(5)] for side in scaled.shape)
        yield from (scaled[y : y + SIZE, x : x + SIZE] for y in tops for x in lefts)


def mean(views):
    views = [view[None, ..., None] for one in views for view in (one, one[:, ::-1])]
    return np.mean([features(view) for view in views], 0)


@pytest.mark.slow
def test_every_size():
    rng = np.random.default_rng(0)
    apart = {}
    for h in SIDES:
        for w in SIDES:
            photo = by_pillow(rng.integers(0, 256, (12, 16)).astype(np.uint8), h, w)
            unit = photo.astype(np.float32) / 255
            loaded = adapters.shown(photo[..., None], SIZE, "resize_crop")
            np.testing.assert_array_equal(loaded[..., 0], centre(shorter(photo, MARGIN), SIZE))
            square = adapters.shown(photo[..., None], MARGIN, "square")
            assert square.shape == (MARGIN, MARGIN, 1)
            of_square = centre(shorter(photo, MARGIN), MARGIN).astype(np.float32) / 255
            whole = adapters.unit(photo[None, ..., None])
            made = {
                "ten_crop": (
                    evaluation.ten_crop(features, adapters.unit(square[None]), SIZE),
                    mean(five(of_square)),
                ),
                "crops144": (
                    evaluation.crops144(features, whole, SIZE, SCALES_144),
                    mean(of_144(unit)),
                ),
                "crops150": (
                    evaluation.crops150(features, whole, SIZE, SCALES_150),
                    mean(of_150(unit)),
                ),
                "dense": (
                    evaluation.dense(features, evaluation.at_scale(whole, MARGIN), SIZE),
                    mean([shorter(unit, MARGIN)]),
                ),
            }
            for name, (ours, wanted) in made.items():
                far = float(np.abs(ours - wanted).max())
                apart[name] = max(apart.get(name, (0,)), (far, (h, w)))
    print({"single_crop": 0.0, **apart})
    assert max(apart.values())[0] < 1e-5
