import pathlib
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).parents[1]


def test_ruff_finds_nothing():
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "."]
        result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
