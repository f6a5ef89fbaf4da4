"""The step compiled for eight devices has only the intended collectives."""

import json
import subprocess
import sys

from tests.training.runs import CHECKOUT

# Exchanges of the gradient and of statistics: one of the gradient; of global batch norm one for the
# moments of each device, and one on the way back. XLA may send the last one along with gradients
# that are ready by then, so that their sum is held.
# Of what is finite, one; and nothing of the batch.
QUIET = {"reductions": 3, "scalars": 1, "gathered_parameters": 0, "batch": 0, "other": 0}
EXPECTED = {
    "global statistics": QUIET,
    # Running statistics, of the whole batch, are all that is left.
    "statistics of a device": {**QUIET, "reductions": 2},
    "streamed": QUIET,
    "many examples": QUIET,
    # Parts are reduced one after another, as they come.
    "in two parts": {**QUIET, "reductions": 5},
    # Each device updates its cut of two kernels, scale and bias, and all get all; 10 classes stay.
    "optimizer's state sharded": {**QUIET, "gathered_parameters": 4},
}


def test_one_reduction_of_the_gradient_and_nothing_of_the_batch():
    command = [sys.executable, "-m", "tests.training.collectives"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    found = {row.pop("case"): row for row in json.loads(result.stdout)}
    for row in found.values():
        row["reductions"] = row.pop("gradient") + row.pop("statistics")
    assert found == EXPECTED
