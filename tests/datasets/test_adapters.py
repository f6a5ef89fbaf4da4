"""Adapters give the same result in memory and in the loader."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

from cnn_history import evaluation
from cnn_history.datasets import adapters, crops, images, prepare, resizing
from cnn_history.evaluation import views
from tests.datasets import files

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
SIDES = range(205, 605, 10)  # of 1,600 photos


def test_pad_and_crop_are_centred():
    values = np.asarray(adapters.unit(IMAGES))
    padded = np.asarray(adapters.unit_range(IMAGES, 11, "pad"))
    np.testing.assert_array_equal(padded[:, 2:8, 1:9], values)
    assert np.count_nonzero(padded) == np.count_nonzero(values)
    made = adapters.unit_range(IMAGES, 4, "crop")
    np.testing.assert_array_equal(made, values[:, 1:5, 2:6])
    np.testing.assert_array_equal(adapters.unit_range(IMAGES, 3, "crop"), values[:, 2:5, 2:5])


def test_resize_keeps_a_constant_and_gives_the_size():
    resized = adapters.unit_range(np.full((1, 8, 6, 1), 51, np.uint8), 32, "resize")
    assert resized.shape == (1, 32, 32, 1)
    np.testing.assert_allclose(resized, 0.2, rtol=1e-6)


def test_sizes_that_cannot_work_say_what_does():
    with pytest.raises(ValueError, match="crop or resize"):
        adapters.unit_range(IMAGES, 7, "pad")
    with pytest.raises(ValueError, match="pad or resize"):
        adapters.unit_range(IMAGES, 7, "crop")
    with pytest.raises(ValueError, match="'pad' does not take images of varying size"):
        adapters.for_any_size("pad")


def test_resize_crop_is_that_of_torchvision():
    """The shorter side to 256, antialiased, and the middle 224 of both, against torch."""
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    x = np.random.default_rng(0).integers(0, 256, (1, 500, 375, 3)).astype(np.uint8)
    unit = torch.tensor(x.transpose(0, 3, 1, 2)) / 255
    resized = torch.nn.functional.interpolate(
        unit, size=(341, 256), mode="bilinear", antialias=True
    )
    expected = resized.numpy().transpose(0, 2, 3, 1)[:, 58:282, 16:240]
    floats = x.astype(np.float32)  # not rounded to grey levels
    np.testing.assert_allclose(adapters.unit_range(floats, 224, "resize_crop"), expected, atol=1e-4)
    made = adapters.unit_range(x, 224, "resize_crop")
    np.testing.assert_allclose(255 * made, 255 * expected, atol=1.01)


def test_they_are_the_same_on_the_device_and_in_the_loader():
    """To a grey level, in training; to the bit under test."""
    photo = files.photo(100, 150)
    data = files.encode(photo, "png")
    for name in adapters.OF_ANY_SIZE:
        wanted = 255 * adapters.unit_range(photo, 56, name)
        made = crops.decode(data, 3, adapters.for_any_size(name), None, 56)
        np.testing.assert_allclose(made, wanted, atol=1.01, err_msg=name)
        under_test = adapters.shown(photo, 56, name)
        np.testing.assert_allclose(under_test, wanted, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("size", [224, 299])
def test_a_photo_under_test_is_what_torchvision_shows(size):
    """Resize and CenterCrop of Pillow's images, by their rules; odd margins of every remainder."""
    resize_crop = adapters.for_any_size("resize_crop")
    for h, w in [(375, 500), (500, 334), (333, 499), (301, 403), (96, 87), (600, 601)]:
        data = files.jpeg(h, w, seed=h)
        shorter = round(size * 8 / 7)
        rows, columns = (int(shorter * side / min(h, w)) for side in (h, w))
        with Image.open(io.BytesIO(data)) as image:
            photo = np.asarray(image)
            whole = np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
        top, left = (round((side - size) / 2.0) for side in (rows, columns))
        wanted = whole[top : top + size, left : left + size]
        made = adapters.shown(images.decode(data, 3), size, "resize_crop")
        np.testing.assert_array_equal(made, wanted, err_msg=f"{h}x{w}")
        made = crops.decode(data, 3, resize_crop, None, size)
        np.testing.assert_allclose(made, wanted, atol=2.01, err_msg=f"{h}x{w} in training")
        made = 255 * adapters.unit_range(photo, size, "resize_crop")
        np.testing.assert_allclose(made, wanted, atol=1e-4, err_msg=f"{h}x{w} in memory")
        cut = evaluation.single_crop(lambda view: view, whole[None], size)
        np.testing.assert_array_equal(cut[0], wanted)


def test_loader_load_and_protocols_scale_every_photo_to_one_shape(monkeypatch):
    """The longer side is rounded down. Rounded to the nearest, 782 of these would be one longer."""
    shapes = []

    def levels(images, rows, columns):
        shapes.append((rows, columns))
        return jax.lax.full((*images.shape[:-3], rows, columns, 3), 0, np.uint8)

    monkeypatch.setattr(resizing, "levels", levels)
    monkeypatch.setattr(views, "_resize", lambda images, shape: shapes.append(shape[1:3]))
    loaded = prepare.Preprocessing(224, "resize_crop", np.float32(0), np.float32(1))
    in_the_loader = adapters.for_any_size("resize_crop")
    for h in SIDES:
        for w in SIDES:
            evaluation.at_scale(np.broadcast_to(0.0, (1, h, w, 3)), 256)
            if (h + w) % 80 == 0:  # tracing takes longer
                jax.eval_shape(loaded, jax.ShapeDtypeStruct((1, h, w, 3), np.uint8))
            part = in_the_loader(None, h, w, 224)
            made = round(h * 224 / part.height), round(w * 224 / part.width)
            long = int(256 * max(h, w) / min(h, w))
            wanted = (long, 256) if h > w else (256, long)
            assert {made, *shapes} == {wanted}, (h, w)
            shapes.clear()
