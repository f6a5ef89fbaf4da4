import jax
import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_history.datasets import crops, resizing, stream
from tests.datasets import files


@pytest.mark.parametrize("channels", [1, 3])
def test_both_resizers_agree_to_a_grey_level(channels):
    """On parts of noise, as large as they come and as small, enlarged and shrunk."""
    pytest.importorskip("cykooz_resizer", reason="has no wheel here")
    rng = np.random.default_rng(0)
    for size in (7, 56, 180):
        pixels = rng.integers(0, 256, (211, 306, channels)).astype(np.uint8)
        boxes = [(0, 0, 306, 211), (3.25, 7.5, 4.0, 9.75), (17, 5, 17 + size, 5 + size)]
        ends = np.sort(rng.random((12, 2, 2)), axis=1) * [306, 211]
        for box in (*boxes, *ends.reshape(-1, 4)):
            box = tuple(round(float(end) * crops.PLACES) / crops.PLACES for end in box)
            ours, pillows = (f(pixels, box, size) for f in (resizing.by_cykooz, resizing.by_pillow))
            assert ours.shape == pillows.shape == (size, size, channels)
            assert np.abs(ours.astype(int) - pillows).max() <= 1, (box, size)


@given(st.tuples(*[st.integers(1, 130)] * 4), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_arrays_are_resized_as_pillow_resizes_photos(sides, channels, seed):
    """To the bit, shrunk and enlarged, in a compiled program and for several images at once."""
    *side, rows, columns = sides
    photos = np.random.default_rng(seed).integers(0, 256, (2, *side, channels)).astype(np.uint8)
    wanted = [resizing.whole(photo, rows, columns) for photo in photos]
    np.testing.assert_array_equal(resizing.levels(photos, rows, columns), wanted)
    one = jax.jit(resizing.levels, static_argnums=(1, 2))(photos[0], rows, columns)
    np.testing.assert_array_equal(one, wanted[0])
    made = Image.fromarray(photos[0].squeeze(-1) if channels == 1 else photos[0])
    made = np.asarray(made.resize((columns, rows), Image.Resampling.BILINEAR), int)
    at_once = 0 if int(PIL.__version__.split(".")[0]) >= 13 else 1  # the order was another before
    np.testing.assert_allclose(made.reshape(wanted[0].shape), wanted[0], atol=at_once, rtol=0)


@pytest.mark.parametrize("side", [(375, 500), (500, 334), (4000, 33), (1, 900), (3000, 2000)])
def test_large_photos_as_well(side):
    photo = np.random.default_rng(0).integers(0, 256, (*side, 3)).astype(np.uint8)
    for rows, columns in [(256, 341), (7, 7)]:
        wanted = resizing.whole(photo, rows, columns)
        np.testing.assert_array_equal(resizing.levels(photo, rows, columns), wanted)


def test_a_part_that_ends_where_the_image_ends_lies_in_it():
    """To the last bit of a float, for the resizer that refuses what does not."""
    data = files.jpeg(97, 61)
    for draws in np.random.default_rng(0).random((300, crops.DRAWS)):
        draws[:2] = 1 - 2**-53

        def crop(draws, h, w, size):
            return crops.random_position(draws, h, w, size, scales=(17, 90))

        assert crops.decode(data, 3, crop, draws, 16).shape == (16, 16, 3)


def test_the_libraries_have_names_and_versions():
    made = stream.made_by()
    assert made["decoder"].startswith("simplejpeg ")
    assert made["resizer"].split(" ")[0] == resizing.LIBRARY
