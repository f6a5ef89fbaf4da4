"""One process, several, and several devices: the same examples, the same numbers."""

import numpy as np
import pytest

from tests.training import topologies
from tests.training.topologies import EIGHT_DEVICES, FOUR, ONE, TWO


def compare(folder, first, others, wanted=topologies.RUNS):
    """Start `first`, then `others` that go on from its state too; hold all against it."""
    photos = topologies.make_photos(folder / "photos")
    reference = topologies.find(first, folder / "first", photos, wanted=wanted)
    end = np.array(reference["whole float64"]["end"])
    for number, topology in enumerate(others):
        one = topologies.find(topology, folder / str(number), photos, folder / "first", wanted)
        topologies.assert_equal(topologies.differences(reference, one))
        np.testing.assert_allclose(one["resumed"], end, atol=topologies.LATER_STEPS)
    losses = [made["loss"] for made in reference["whole float64"]["made"]]
    assert losses[-1] < losses[0]


def test_two_processes_are_one_and_eight_devices(tmp_path):
    compare(tmp_path, TWO, (ONE, EIGHT_DEVICES), topologies.SHORT)


@pytest.mark.slow
def test_saved_by_four_processes_and_made_to_the_end_by_two_and_one(tmp_path):
    compare(tmp_path, FOUR, (TWO, ONE))


@pytest.mark.slow
@pytest.mark.parametrize("topology", [TWO, FOUR, EIGHT_DEVICES], ids=str)
def test_the_same_count_gives_the_same_bits(topology, tmp_path):
    photos = topologies.make_photos(tmp_path / "photos")
    first, again = (topologies.find(topology, tmp_path / name, photos) for name in "ab")
    assert first == again
