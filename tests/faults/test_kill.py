"""A run killed at every critical point and at random instants ends as if it had not been killed."""

import json
import subprocess
import sys

from tests.training import runs


def test_killed_at_every_point_and_at_random(tmp_path):
    """The short form; its long one is `python -m tests.faults.kill --kills=200`."""
    output = tmp_path / "kills.json"
    command = [sys.executable, "-m", "tests.faults.kill", "--kills=2", f"--output={output}"]
    ended = subprocess.run(command, cwd=runs.CHECKOUT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads(output.read_text())
    assert (found["lost"], found["different"]) == (0, 0)
    assert found["kills"] == len(found["found"][0]["points"]) + 2
