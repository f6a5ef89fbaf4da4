"""Set up for all tests: compiled programs are kept from one run of the tests to the next."""

import os

import hypothesis
import jax
import pytest

from cnn_history.reporting import figures
from cnn_history.training import devices
from tests.shared import SHARED

os.environ["EPATH_USE_TF"] = "0"  # read once, by the first test that touches a checkpoint
devices.start()
# What the tests compile in their own process runs once or twice. LLVM's optimizations would take it
# five times as long as all else; what it computes is the same but for rounding. Real commands, in
# processes of their own, are compiled as they are for everybody.
jax.config.update("jax_disable_most_optimizations", True)

# Tests that draw their cases: the same ones each time, and few; `--hypothesis-profile=long` draws
# many, anew each time.
hypothesis.settings.register_profile(
    "short", max_examples=300, derandomize=True, deadline=None, database=None
)
hypothesis.settings.register_profile("long", max_examples=20_000, deadline=None)
hypothesis.settings.load_profile("short")


@pytest.fixture
def data_dir():
    """Return the folder of real data sets, or skip where there is none."""
    folder = SHARED / "data" / "tfds"
    if not folder.is_dir():
        pytest.skip("no prepared data sets here")
    return str(folder)


@pytest.fixture
def undrawn(monkeypatch):
    """Let runs draw no figures, which takes them longer than training does."""
    monkeypatch.setattr(figures, "run", lambda *arguments, **options: None)
