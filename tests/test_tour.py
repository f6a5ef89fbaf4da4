"""docs/tour.ipynb is stored executed, and still runs."""

import json
import subprocess
import sys

import pytest

from tests.training.runs import CHECKOUT

NOTEBOOK = CHECKOUT / "docs" / "tour.ipynb"
LARGEST = 600_000  # bytes
RUN = """
import json, sys
import matplotlib
matplotlib.use("Agg")
names = {}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), names)
"""


def cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


def test_every_question_has_code_and_an_answer():
    """Questions and code take turns; all but the imports leave a figure or a line."""
    assert NOTEBOOK.stat().st_size < LARGEST
    kinds = [cell["cell_type"] for cell in cells()]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)
    _, *answers = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in answers)
    assert not any(out["output_type"] == "error" for cell in answers for out in cell["outputs"])


@pytest.mark.slow
def test_it_runs_and_prints_what_it_holds():
    """Counts of networks are exact; trained numbers differ by processor."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert "138,357,544 parameters, 15,237,608 activations" in done.stdout
    assert "854, 271, and the slide's 358 million" in done.stdout
    assert int(done.stdout.split(" of 360")[0].split()[-1]) <= 18  # 5 %
