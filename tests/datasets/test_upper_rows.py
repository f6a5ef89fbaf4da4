"""The upper rows of JPEG files, against whole decodes by the same library."""

import functools
import itertools

import numpy as np
import pytest
import simplejpeg

from cnn_history.datasets import crops, images, upper_rows
from tests.datasets import files

KINDS = {
    **{name: {"subsampling": name} for name in ("4:4:4", "4:2:2", "4:2:0", "4:1:1")},
    "best": {"quality": 100, "subsampling": "4:2:0"},
    "own tables": {"optimize": True},
    "with a long comment": {"comment": bytes(60_000)},
    "grey": {"mode": "L"},
}
WHOLE = {
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 5},
}


def noise(height, width):
    """Return every colour beside every other, so that a row decides on the next ones' pixels."""
    return np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)


def both(data, rows, divisor, channels=3):
    """Return what is decoded of a file's upper rows, or None, and the whole decode."""
    kind = images.COLOURS[channels][0]
    shape = images.size(data)
    whole = simplejpeg.decode_jpeg(data, kind, False, False, *(-(-n // divisor) for n in shape))
    return upper_rows.decode(data, rows, shape, channels, kind, divisor), whole


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("channels", [3, 1])
def test_upper_rows_are_those_of_the_whole(name, channels):
    left_out = 0
    for height, width in ((160, 120), (161, 97), (173, 33)):
        data = files.encode(noise(height, width), **KINDS[name])
        for rows, divisor in itertools.product((1, 15, 16, 17, 40, 63, 100), images.DIVISORS):
            found, whole = both(data, rows, divisor, channels)
            if found is None:
                assert rows + 3 * divisor + upper_rows.WORTH_IT > height
                continue
            needed = -(-rows // divisor)
            assert needed <= len(found) < len(whole)
            np.testing.assert_array_equal(found[:needed], whole[:needed])
            left_out += 1
    assert left_out > 60


@pytest.mark.parametrize("name", WHOLE)
def test_rows_that_are_not_stored_in_order_are_decoded_whole(name):
    data = files.encode(noise(160, 120), **WHOLE[name])
    assert both(data, 40, 1)[0] is None
    np.testing.assert_array_equal(images.shrunk(data, 3, 1, 40)[0], images.decode(data, 3))


def test_a_part_is_the_same_with_all_rows_and_with_the_upper_ones(monkeypatch):
    data = files.encode(noise(211, 158))
    crop = functools.partial(crops.random_area, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3))
    made = [[], []]
    for which, worth_it in enumerate((1, 1000)):
        monkeypatch.setattr(upper_rows, "WORTH_IT", worth_it)
        for draws, size in itertools.product(
            np.random.default_rng(0).random((40, 23)), (9, 32, 100)
        ):
            made[which].append(crops.decode(data, 3, crop, draws, size))
    for upper, whole in zip(*made, strict=True):
        np.testing.assert_array_equal(upper, whole)


def test_what_is_damaged_is_seen_in_the_rows_and_at_the_end():
    """Damage below the rows is not."""
    data = files.encode(noise(320, 64))
    middle = len(data) // 2
    without_its_middle = data[:middle] + b"\xff\xd9" + data[middle + 100 :]
    for damaged, rows in ((data[:-200], 40), (data[:middle], 40), (without_its_middle, 240)):
        with pytest.raises(images.Damaged):
            images.shrunk(damaged, 3, 1, rows)
    whole = images.decode(data, 3)[:40]
    np.testing.assert_array_equal(images.shrunk(without_its_middle, 3, 1, 40)[0][:40], whole)
    with pytest.raises(images.Damaged):
        images.decode(without_its_middle, 3)
