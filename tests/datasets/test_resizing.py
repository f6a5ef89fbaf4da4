import numpy as np
import pytest

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
