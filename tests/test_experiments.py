"""Every experiment, and the statements in the config files."""

import importlib
import json
import pathlib
import sys

import pytest

from cnn_history import build, choices, commands, config
from cnn_history.datasets import statistics
from cnn_history.training import loop
from experiments import lenet5_digits, resnet_cifar10
from tests.prepared import check
from tests.training import runs

FILES = pathlib.Path(lenet5_digits.__file__).parent.glob("*_*.py")
EXPERIMENTS = {
    path.stem: importlib.import_module(f"experiments.{path.stem}")
    for path in sorted(FILES)
    if path.stem != "__init__"
}
CHOICES = {
    **{name: it.kind for name, it in config.FIELDS.items() if isinstance(it.kind, choices.Choice)},
    "kernel_init": config.INITIALIZER,
    "norm": config.NORM,
}
# What the program gives a candidate that takes it.
GIVEN = {
    **{"initial": 0.1, "steps": 10, "learning_rate": 0.1, "weight_decay": 0.0},
    **{"statistics": statistics.unknown, "size": 224, "decayed": lambda params: True},
}
FIELDS = "seed steps batch_size log_every dtype model dataset data_dir optimizer schedule init_from"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_config_is_whole_and_right(name):
    module = EXPERIMENTS[name]
    for arg in (None, "smoke", "dataset=digits", "smoke,dataset=cifar10"):
        recipe = module.get_config(arg)
        check(recipe)
        assert set(FIELDS.split()) <= set(recipe)
    assert recipe.dataset == "cifar10"
    assert f"experiments/{name}.py" in module.__doc__ or "./launch.sh" in module.__doc__


@pytest.mark.parametrize("name", CHOICES)
def test_every_candidate_can_be_chosen_with_its_options(name):
    choice = CHOICES[name]
    assert choice.candidates
    for candidate in choice.candidates:
        group = config.choose(name, candidate)
        choice.check(group, name)
        for option, value in group[candidate].items():
            assert config.choose(name, candidate, **{option: value}) == group
        if make := choice.bind(group):
            assert choices.call(make, **GIVEN) is not None


def test_the_paper_recipe_of_table_6():
    recipe = resnet_cifar10.get_config("depth=110")
    schedule = build.schedule(recipe)
    rates = [float(schedule(step)) for step in (0, 399, 400, 31_999, 32_000, 48_000, 63_999)]
    assert rates == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.001, 0.001])
    assert (recipe.batch_size, recipe.steps, recipe.weight_decay) == (128, 64_000, 1e-4)
    assert resnet_cifar10.get_config("split=45k").test_split == "train[45000:]"
    assert "shortcut" not in resnet_cifar10.get_config("plain=true").model


@pytest.mark.parametrize("name", ["lenet5_mnist", "lenet5_1998_mnist", "resnet_cifar10"])
def test_smoke(name, data_dir, tmp_path):
    recipe = EXPERIMENTS[name].get_config("smoke")
    recipe.data_dir = data_dir
    summary = loop.run(recipe, tmp_path)
    assert summary["test"]["count"] == 64
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_seeds_evaluate_load_and_start_from(tmp_path):
    """One path through the verbs, as a person would take it."""
    short = ("--config=experiments/lenet5_digits.py:smoke", f"--workdir={tmp_path}/seeds")
    status, out, err = runs.run("train", *short, "--seeds=2")
    assert status == 0, err
    assert "(n=2)" in out
    both = json.loads((tmp_path / "seeds" / "summary.json").read_text())
    assert both["seed"] == [0, 1]
    members = [f"{tmp_path}/seeds/seed_{seed}" for seed in (0, 1)]
    errors = [json.loads(pathlib.Path(m, "summary.json").read_text())["test"] for m in members]
    assert both["test"]["top1_errors"] == [e["top1_error"] for e in errors]

    output = tmp_path / "made.npz"
    arguments = (f"--workdir={members[0]}", "--format=json", f"--output={output}")
    status, out, err = runs.run("evaluate", *arguments)
    assert status == 0, err
    found = json.loads(out)
    shared = errors[0].keys() & found.keys()
    assert shared >= {"top1_error", "top5_error", "count", "protocol"}
    assert {key: found[key] for key in shared} == {key: errors[0][key] for key in shared}

    import jax
    import numpy as np

    import cnn_history
    from cnn_history import datasets

    with np.load(output) as file:
        made = {name: file[name] for name in file.files}
    assert made["ids"].tolist() == list(range(64))
    assert (made["probabilities"].argmax(1) != made["labels"]).mean() == found["top1_error"]
    model, variables, preprocessing = cnn_history.load(members[0])
    images, labels = datasets.source("digits", "test[:64]").arrays()
    np.testing.assert_array_equal(labels, made["labels"])
    logits = model.apply(variables, preprocessing(images), train=False)
    np.testing.assert_allclose(jax.nn.softmax(logits), made["probabilities"], atol=1e-5)

    seven = (f"--workdir={members[0]}", "--protocol=ten_crop", "--split=test[:7]", "--format=json")
    made = {}
    for devices in "18":
        arguments = (*seven, f"--output={tmp_path}/{devices}.npz")
        status, out, err = runs.run("evaluate", *arguments, JAX_NUM_CPU_DEVICES=devices)
        assert status == 0, err
        assert json.loads(out)["count"] == 7
        with np.load(tmp_path / f"{devices}.npz") as file:
            made[devices] = {name: file[name] for name in file.files}
    assert made["8"]["ids"].tolist() == list(range(7))
    np.testing.assert_allclose(made["8"]["probabilities"], made["1"]["probabilities"], atol=1e-6)

    status, out, _ = runs.run("evaluate", f"--workdir={','.join(members)}", "--format=json")
    assert status == 0
    assert json.loads(out)["models"] == ["lenet5", "lenet5"]

    recipe = lenet5_digits.get_config("smoke")
    recipe.update(init_from=members[0], learning_rate=0.0)
    summary = loop.run(recipe, tmp_path / "again")
    assert summary["test"] == errors[0]


def test_a_flag_sets_an_option_that_the_file_leaves_to_the_paper(monkeypatch):
    flags = ["--config.model.name=vgg11", "--config.model.fit_classifier=true"]
    monkeypatch.setattr(sys, "argv", ["train", *flags])
    config = commands.read_config(lenet5_digits.__file__)
    assert config.model.fit_classifier is False  # the paper's, until the flag changes it
    assert "groups" not in config.model
