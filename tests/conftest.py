"""Set up for all tests: compiled programs are kept from one run of the tests to the next."""

import pytest

from cnn_history.training import devices
from tests.shared import SHARED

devices.start()


@pytest.fixture
def data_dir():
    """Return the folder of real data sets, or skip where there is none."""
    folder = SHARED / "data" / "tfds"
    if not folder.is_dir():
        pytest.skip("no prepared data sets here")
    return str(folder)
