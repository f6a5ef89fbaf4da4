import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from cnn_history.datasets import adapters, crops, images
from tests import compare_pixels
from tests.datasets import files

AREA = {"area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3)}
CROPS = {
    **{name: adapters.for_any_size(name) for name in adapters.OF_ANY_SIZE},
    "random_position": functools.partial(crops.random_position, scales=(40, 64)),
    "random_in_centre": functools.partial(crops.random_in_centre, shorter=40),
    "one_of_ten": functools.partial(crops.one_of_ten, shorter=40),
    "random_area": functools.partial(crops.random_area, **AREA),
}
DRAWS = np.random.default_rng(0).random((400, crops.DRAWS))


@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize("shape", [(50, 80), (81, 40), (1, 1), (3, 900)])
def test_a_crop_lies_in_the_image(name, shape):
    for draws in DRAWS[:50]:
        part = CROPS[name](draws, *shape, 32)
        assert part.height > 0
        assert part.width > 0
        for start, length, side in zip(part[:2], part[2:4], shape, strict=True):
            assert start >= -1e-9
            assert start + length <= side * (1 + 1e-9)


def test_the_step_and_the_loader_cut_alike():
    """The same draws, in jax from pixels and by Pillow from a file, to a grey level of rounding."""
    photo = files.photo(50, 80)
    data = files.encode(photo, "png")
    for name, crop in CROPS.items():

        @jax.jit
        def in_step(draws, crop=crop):
            return crops.cut(jnp.asarray(photo, jnp.float32), crop(draws, 50, 80, 32), 32)

        for draws in DRAWS[:6].astype(np.float32):
            loaded = crops.decode(data, 3, crop, draws, 32)
            np.testing.assert_allclose(loaded, in_step(draws), atol=1.01, err_msg=name)


def test_alexnet_cuts_what_numpy_cuts_of_the_resized_image():
    """256x256 stands at its scale already: every crop is a slice, and every place is reached."""
    image = np.random.default_rng(1).integers(0, 256, (36, 36, 3)).astype(np.uint8)
    data = files.encode(image, "png")
    crop = functools.partial(crops.random_in_centre, shorter=36)
    slices = {
        image[y : y + 32, x : x + 32, :][:, ::flip].tobytes()
        for y in range(5)
        for x in range(5)
        for flip in (1, -1)
    }
    found = {crops.decode(data, 3, crop, draws, 32).tobytes() for draws in DRAWS}
    assert found == slices
    tall = np.concatenate([np.zeros((7, 36, 3), np.uint8), image, np.zeros((7, 36, 3), np.uint8)])
    found = {crops.decode(files.encode(tall, "png"), 3, crop, d, 32).tobytes() for d in DRAWS}
    assert found == slices  # of the central square alone


def test_zfnet_takes_corners_and_centre():
    image = np.random.default_rng(1).integers(0, 256, (36, 36, 3)).astype(np.uint8)
    data = files.encode(image, "png")
    crop = functools.partial(crops.one_of_ten, shorter=36)
    places = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))
    ten = [image[y : y + 32, x : x + 32][:, ::f].tobytes() for y, x in places for f in (1, -1)]
    made = [crops.decode(data, 3, crop, draws, 32).tobytes() for draws in DRAWS]
    assert set(made) == set(ten)
    assert min(made.count(one) for one in ten) > 20  # of 40 expected


def test_scales_are_as_likely_as_each_other_and_all_positions_are_reached():
    crop = functools.partial(crops.random_position, scales=(256, 259))
    made = [crop(draws, 256, 512, 224) for draws in DRAWS]
    scales = np.array([round(224 / part.height * 256) for part in made])
    assert [np.sum(scales == s) > 70 for s in (256, 257, 258, 259)] == [True] * 4
    lefts = np.array([part.left for part in made])
    assert lefts.min() < 5
    assert lefts.max() > 512 - 224 - 5
    assert 0.4 < np.mean([part.mirrored for part in made]) < 0.6


def test_areas_and_aspects_are_uniform_within_bounds():
    crop = functools.partial(crops.random_area, **AREA)
    made = [crop(draws, 1000, 1000, 224) for draws in DRAWS]
    areas = np.array([part.height * part.width for part in made]) / 1e6
    aspects = np.log([part.width / part.height for part in made])
    assert 0.079 < areas.min() < 0.1
    assert areas.max() > 0.9
    assert abs(aspects.mean()) < 0.03
    assert abs(aspects).max() < np.log(4 / 3) + 0.01
    # What lies in no photo of 375x500 is drawn again: on average 0.43 of it is seen, not 0.54.
    made = [crop(draws, 375, 500, 224) for draws in DRAWS]
    seen = np.mean([part.height * part.width for part in made]) / (375 * 500)
    assert abs(seen - 0.43) < 0.03
    small = crop(np.full(crops.DRAWS, 0.999), 10, 400, 224)  # where nothing fits: the middle
    assert (small.top, small.height) == (0, 10)
    assert small.width == pytest.approx(10 * 4 / 3)
    assert small.left == pytest.approx(200 - 10 * 2 / 3)


def test_a_jpeg_decoded_smaller_gives_the_same_image_but_for_its_own_filter():
    """It averages where the antialiasing filter weights: within 2 grey levels a pixel."""
    photo = files.photo(800, 1200)
    data = files.encode(photo, quality=95)
    whole = images.decode(data, 3)
    for crop in (CROPS["resize"], functools.partial(crops.random_area, **AREA)):
        for draws in DRAWS[:4]:
            part = crop(draws, 800, 1200, 64)
            box = (part.left, part.top, part.left + part.width, part.top + part.height)
            wanted = Image.fromarray(whole).resize((64, 64), Image.Resampling.BILINEAR, box)
            wanted = np.asarray(wanted)[:, :: -1 if part.mirrored else 1]
            made = crops.decode(data, 3, crop, draws, 64)
            assert np.abs(made.astype(int) - wanted).max() <= 2


def test_the_centre_of_a_photo_is_the_centre_of_its_picture():
    """At each scale at which a JPEG file is decoded, for sides of 33 to 800.

    To 0.02 pixels: rounded grey levels, and a filter that is not even within a block of 8.
    """
    assert compare_pixels.off_centre(range(33, 801, 17)) < 0.02
