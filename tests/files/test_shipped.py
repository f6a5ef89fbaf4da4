"""The package's trained networks have the errors in their files, from any folder."""

import json

import pytest
from safetensors import safe_open

import cnn_history
from cnn_history import datasets
from cnn_history.files import shipped
from tests.training import runs

LARGEST = 3 << 20  # bytes of all files


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "CACHE", str(tmp_path / "cache"))


def header(name):
    with safe_open(shipped.TRAINED / f"{name}.safetensors", framework="numpy") as file:
        return file.metadata()


def test_they_are_small():
    files = list(shipped.TRAINED.iterdir())
    assert {file.stem for file in files} == set(shipped.names()) >= {"lenet5_digits"}
    assert sum(file.stat().st_size for file in files) < LARGEST


@pytest.mark.parametrize("name", shipped.names())
def test_the_error_is_that_of_the_header(name, request):
    said = {key: json.loads(header(name)[key]) for key in ("config", "test", "classes")}
    data_dir = "" if said["config"]["dataset"] == "digits" else request.getfixturevalue("data_dir")
    source = datasets.source(said["config"]["dataset"], said["config"]["test_split"], data_dir)
    model, variables, preprocessing = cnn_history.load(name)
    assert list(preprocessing.classes) == list(source.classes) == said["classes"]
    images, labels = source.arrays()
    wrong = 0
    for start in range(0, len(labels), 1000):
        logits = model.apply(variables, preprocessing(images[start : start + 1000]), train=False)
        wrong += int((logits.argmax(1) != labels[start : start + 1000]).sum())
    # An image between two classes may be told otherwise by another processor's rounding.
    assert abs(wrong / len(labels) - said["test"]["top1_error"]) <= 2 / len(labels)


def test_a_folder_of_that_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.folder("lenet5_digits").parent == tmp_path / "cache"
    assert shipped.folder("lenet5_digits") == shipped.folder("lenet5_digits")
    (tmp_path / "lenet5_digits").mkdir()
    assert str(shipped.folder("lenet5_digits")) == "lenet5_digits"
    assert str(shipped.folder("runs/mine")) == "runs/mine"


def test_evaluate_and_init_from_take_the_name(tmp_path):
    home = {"HOME": str(tmp_path)}
    status, out, err = runs.run("evaluate", "--workdir=lenet5_digits", "--format=json", **home)
    assert status == 0, err
    assert (
        json.loads(out)["top1_error"] == json.loads(header("lenet5_digits")["test"])["top1_error"]
    )
    start = (
        *("--config=experiments/lenet5_digits.py:smoke", "--config.init_from=lenet5_digits"),
        *("--config.steps=1", "--config.learning_rate=0.0", f"--workdir={tmp_path}/run"),
    )
    status, _, err = runs.run("train", *start, **home)
    assert status == 0, err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test"]["top1_error"] < 0.1
