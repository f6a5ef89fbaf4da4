"""The verb, and what a row holds."""

import importlib.util
import json
import subprocess
import sys

import pytest

from cnn_history.benchmarks import networks
from cnn_history.benchmarks.cases import Case
from tests.training.runs import CHECKOUT

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="EXTRAS=torch installs PyTorch"
)
QUICK = {"rounds": 2, "seconds": 0.0}


def is_spread(value):
    return 0 < value["low"] <= value["median"] <= value["high"]


@needs_torch
@pytest.mark.parametrize("mode", ["train", "inference"])
def test_a_case_beside_torch(mode):
    row = networks.measure(Case("lenet5", mode, 4), networks.How(**QUICK, torch=True))
    assert (row["network"], row["mode"], row["parameters"]) == ("lenet5", mode, 61_706)
    assert row["images_per_second"] == pytest.approx(4 / row["seconds_per_step"]["median"])
    assert is_spread(row["ratio"])
    assert [other["name"] for other in row["others"]] == ["PyTorch, NCHW", "PyTorch, channels_last"]
    fastest = max(row["others"], key=lambda other: other["images_per_second"])
    assert row["beside"] == fastest["name"]
    assert row["memory_bytes"] > 4 * row["parameters"]


def test_the_verb_writes_and_prints_one_document(tmp_path):
    command = [sys.executable, "-m", "cnn_history.benchmark", "--suite=cpu", "--networks=lenet5"]
    command += ["--rounds=1", "--seconds=0", "--format=json", f"--output={tmp_path / 'b.json'}"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "b.json").read_text())
    assert {"device", "versions", "commit", "threads", "load_average"} <= set(document)
    (row,) = document["results"]
    assert (row["network"], row["mode"], row["batch"]) == ("lenet5", "train", 128)
    assert row["images_per_second"] > 0
    assert "ratio" not in row
