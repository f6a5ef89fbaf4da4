"""The search for the largest batch, with known memory."""

import pytest

from cnn_history.slices import search

HBM = 16_000


def memory(images, fixed=100, each=10, hbm=HBM):
    needs = fixed + each * images
    return {"fits": needs <= hbm, "peak_bytes": needs, "hbm_bytes": hbm}


@pytest.mark.parametrize("start", [8, 128, 1590, 1591, 100_000])
def test_it_is_within_a_sixteenth(start):
    found = search.largest(memory, start, memory(start))
    assert memory(found["images"])["fits"]
    assert not memory(found["too_many"])["fits"]
    assert found["too_many"] - found["images"] <= max(1, found["images"] // search.NEAR)
    assert found["compilations"] <= search.MOST


def test_numbers_are_multiples():
    found = search.largest(memory, 64, memory(64), multiple=64)
    assert found["images"] % 64 == 0
    assert memory(found["images"])["fits"]


def test_nothing_fits():
    found = search.largest(lambda n: memory(n, fixed=20_000), 8, memory(8, fixed=20_000))
    assert found["images"] == 0
