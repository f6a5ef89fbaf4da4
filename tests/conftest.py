"""Set-up for all tests: compiled programs are kept between runs of the tests."""

import contextlib
import ctypes
import gc
import os
import pathlib

import hypothesis
import jax
import pytest

from cnn_history.reporting import figures
from cnn_history.training import devices
from tests.shared import SHARED
from tests.training import runs

# A worker lets go of what it has compiled when it holds LARGE bytes, and GROWTH more than after it
# last did so: the libraries that it has imported may be LARGE already, and letting go takes half a
# second.
LARGE, GROWTH = 900 << 20, 200 << 20
RESIDENT = pathlib.Path("/proc/self/statm")  # of Linux: pages, the second number those in memory

os.environ["EPATH_USE_TF"] = "0"  # read once, by the first test that touches a checkpoint
devices.start()
# What the tests compile themselves runs once or twice. LLVM's optimizations would take five times
# as long as all else; what is computed is the same but for rounding. Real commands, in processes of
# their own, are compiled as they are for everybody (training/runs.py).
jax.config.update("jax_disable_most_optimizations", True)
os.environ[runs.UNOPTIMIZED] = "1"  # the tests' own programs in other processes

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


@pytest.fixture(scope="module")
def optimized():
    """Compile with all optimizations, where what is computed takes longer than compiling it."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


_least = 0  # bytes held after a worker last let go


@pytest.fixture(autouse=True)
def _bounded():
    """Let go of what was compiled, once it is much: all of it together takes gigabytes."""
    global _least
    yield
    with contextlib.suppress(OSError, AttributeError):  # where there is no Linux, or no glibc
        if _resident() > max(LARGE, _least + GROWTH):
            jax.clear_caches()
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            _least = _resident()


def _resident():
    return int(RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
