"""The verb `benchmark`, and the contents of a row."""

import importlib.util
import json
import os
import subprocess
import sys

import jax
import pytest

from cnn_history.benchmarks import (
    cases,
    inputs,
    networks,
    ours,
    profile,
    rules,
    startup,
)
from cnn_history.benchmarks.cases import Case
from cnn_history.benchmarks.suite import Effort, Suite
from experiments import resnet_cifar10
from tests.training.runs import CHECKOUT

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="EXTRAS=torch installs PyTorch"
)
QUICK = {"rounds": 2, "seconds": 0.0}
CEILING = {"operations_per_second": 1e12, "bytes_per_second": 1e11}


def is_spread(value):
    return 0 < value["low"] <= value["median"] <= value["high"]


def test_what_is_measured_on_cifar10_is_what_the_experiment_trains():
    case = Case("resnet20", "train", 128)
    assert ours.cifar10(case).to_json() == resnet_cifar10.get_config("depth=20").to_json()


@needs_torch
@pytest.mark.parametrize("mode", ["train", "inference"])
def test_a_case_beside_torch(mode):
    row = networks.measure(Case("lenet5", mode, 4), Effort(**QUICK, torch=True), CEILING)
    assert (row["network"], row["mode"], row["parameters"]) == ("lenet5", mode, 61_706)
    assert row["images_per_second"] == pytest.approx(4 / row["seconds_per_step"]["median"])
    assert is_spread(row["ratio"])
    assert [other["name"] for other in row["others"]] == ["PyTorch, NCHW", "PyTorch, channels_last"]
    fastest = max(row["others"], key=lambda other: other["images_per_second"])
    assert row["beside"] == fastest["name"]
    assert row["memory_bytes"] > 4 * row["parameters"]
    speed = row["images_per_second"]
    assert row["share_of_peak"] == pytest.approx(speed * row["operations_per_image"] / 1e12)
    assert row["share_of_bound"] == pytest.approx(speed / row["bounds"]["compiler"])


@pytest.mark.slow
@needs_torch
def test_a_case_with_resident_data(monkeypatch):
    """Both draw from it, augment and train; ours in the program that `train` runs."""
    monkeypatch.setattr(ours, "RESIDENT", 40)
    row = networks.measure(
        Case("resnet20", "train", 8, data="resident"), Effort(**QUICK, torch=True), CEILING
    )
    assert (row["data"], row["parameters"]) == ("resident", 269_722)
    assert is_spread(row["ratio"])


@needs_torch
def test_torch_augments_as_the_paper_does():
    """Each image is one of the 9 x 9 cuts of its own padded image, or of its mirror image."""
    import torch

    from cnn_history.benchmarks import beside_torch

    images = torch.arange(1.0, 1 + 6 * 2 * 8 * 8).reshape(6, 2, 8, 8)  # no cut is empty
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    torch.manual_seed(0)
    seen = torch.zeros(2, dtype=torch.bool)
    for number, made in enumerate(beside_torch._augmented(images)):
        cuts = padded[number].unfold(1, 8, 1).unfold(2, 8, 1)  # [c, 9, 9, 8, 8]
        both = torch.stack([cuts, cuts.flip(-1)])
        found = (both == made[:, None, None]).all(-1).all(-1).all(1).flatten(1).any(1)
        assert found.any()
        seen |= found
    assert seen.all()  # of six images some are mirrored, and some are not


def test_rules():
    (row, other) = rules.SUITE.measure({"sgd", "momentum"}, Effort(**QUICK), {})
    assert (row["optimizer"], other["optimizer"]) == ("sgd", "momentum")
    assert other["state_bytes"] - row["state_bytes"] == 4 * 666  # the velocity
    assert is_spread(other["times_sgd"])


@needs_torch
def test_loaders(monkeypatch):
    monkeypatch.setattr(ours, "RESIDENT", 300)
    monkeypatch.setattr(inputs, "FEWEST", 1)
    rows = list(inputs.SUITE.measure({"memory", "photos"}, Effort(1, 0.0, torch=True), {}))
    assert [(row["what"], "ratio" in row) for row in rows] == [
        ("memory", False), ("memory", True), ("photos", False), ("photos", True)
    ]  # fmt: skip
    assert all(row["images_per_second"] > 0 for row in rows)


def test_starts():
    (row,) = startup.SUITE.measure({"import jax"}, Effort(1, 0.0), {})
    assert row["what"] == "import jax"
    assert is_spread(row["seconds"])


@pytest.mark.slow
def test_the_first_step():
    cold, warm = startup.SUITE.measure({"first step"}, Effort(1, 0.0), {})
    assert (cold["what"], warm["what"]) == ("first step, cold", "first step, warm")
    assert warm["seconds"]["median"] < cold["seconds"]["median"]


def test_a_profile_names_what_a_step_does(monkeypatch):
    monkeypatch.setitem(cases.PROFILED, jax.default_backend(), (Case("lenet5", "train", 8),))
    rows = list(profile.SUITE.measure({"lenet5"}, Effort(2, 0.0), {}))
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    shares = {row["what"]: row["share"] for row in rows}
    assert shares["convolutions"] > 0
    assert shares["pooling"] > 0


def test_the_kind_of_an_operation():
    """Of a fusion, what is inside counts; of a loop, what is inside is seen by itself."""
    program = """
%fused (p: f32[2]) -> f32[2] {
  ROOT %conv.1 = f32[2]{0} convolution(%p, %p), window={size=3}
}

%outer (p: f32[2]) -> f32[2] {
  %copy.1 = f32[2]{0} copy(%p)
  ROOT %inner = f32[2]{0} fusion(%copy.1), kind=kLoop, calls=%fused
}

ENTRY %main (p: f32[2]) -> (f32[2], f32[]) {
  %fusion.1 = f32[2]{0} fusion(%p), kind=kLoop, calls=%outer
  %add.1 = f32[2]{0} add(%p, %p)
  %call.1 = (f32[2]{0}, /*index=1*/f32[]) custom-call(%p), custom_call_target="__cublas$gemm"
  ROOT %while.1 = (f32[2], f32[]) while(%call.1), body=%outer
}
"""
    found = profile.kinds(program)
    assert found["fusion.1"] == found["inner"] == "convolutions"
    assert found["copy.1"].startswith("transposes")
    assert found["add.1"] == "element by element"
    assert found["call.1"] == "matrix products"
    assert "while.1" not in found


def test_the_verb_writes_and_prints_one_document(tmp_path):
    command = [sys.executable, "-m", "cnn_history.benchmark", "--suite=cpu", "--networks=lenet5"]
    command += ["--rounds=1", "--seconds=0", "--format=json", f"--output={tmp_path / 'b.json'}"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "b.json").read_text())
    assert {"device", "processor", "versions", "commit", "threads", "load_average"} <= set(document)
    assert document["ceilings"]["float32"]["operations_per_second"] > 0
    (row,) = document["results"]
    assert (row["network"], row["mode"], row["batch"]) == ("lenet5", "train", 128)
    assert row["images_per_second"] > 0
    assert "ratio" not in row


def test_what_was_stopped_goes_on(tmp_path):
    """With the names that are left; but not where another commit had begun."""
    path = tmp_path / "b.json"

    def measure(names, commit):
        command = [sys.executable, "-m", "cnn_history.benchmark", "--suite=startup", "--rounds=1"]
        command += ["--seconds=0", f"--networks={names}", f"--output={path}"]
        environment = {**os.environ, "CNN_HISTORY_COMMIT": commit}
        result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, env=environment)
        assert result.returncode == 0, result.stderr
        return json.loads(path.read_text()), result.stderr.decode()

    document, said = measure("import jax", "a1")
    assert "going on" not in said
    assert "done" not in document
    (row,) = document["results"]
    long = dict.fromkeys(("median", "low", "high"), 1e9)
    before = {**row, "what": "import cnn_history", "seconds": long}
    unfinished = {**document, "results": [before], "done": ["import cnn_history"]}
    path.write_text(json.dumps(unfinished))
    document, said = measure("import cnn_history,import jax", "a1")
    assert f"continuing: '{path}' already has import cnn_history." in said
    assert document["results"][0] == before
    assert [row["what"] for row in document["results"]] == ["import cnn_history", "import jax"]
    assert "done" not in document
    before["what"] = "import jax"
    path.write_text(json.dumps({**document, "results": [before], "done": ["import jax"]}))
    document, said = measure("import jax", "b2")
    assert "going on" not in said
    (row,) = document["results"]
    assert row["seconds"]["median"] < 1e9


def test_names_are_measured_in_order_or_together():
    suite = Suite(("a", "b", "c"), lambda names, effort, ceilings: iter(()))
    assert suite.parts({"c", "a"}) == [{"a"}, {"c"}]
    assert suite._replace(together=True).parts({"c", "a"}) == [{"a", "c"}]
    assert suite._replace(together=True).parts(set()) == []


def test_without_torch_a_line_says_how_to_get_it():
    code = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "torch" else found(name, *a)
from cnn_history import benchmark, commands
sys.argv = ["benchmark.py", "--suite=cpu", "--against=torch"]
commands.run(benchmark.main)
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    said = "benchmark: --against=torch: PyTorch is not installed; EXTRAS=torch installs it.\n"
    assert result.stderr == said
