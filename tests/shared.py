"""Reference values beside the checkout; without them, their tests are skipped."""

import os
import pathlib

import pytest

BESIDE = pathlib.Path(__file__).parents[2] / "shared"
SHARED = pathlib.Path(os.environ.get("CNN_HISTORY_SHARED", BESIDE))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no reference values here")
