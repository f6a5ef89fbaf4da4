"""Every experiment, and what the config files promise."""

import inspect
import json
import pathlib

import pytest

from cnn_history import build
from cnn_history.datasets import statistics
from cnn_history.training import loop
from experiments import common, lenet5_1998_mnist, lenet5_digits, lenet5_mnist, resnet_cifar10
from tests import test_recipes
from tests.prepared import check
from tests.training import runs

EXPERIMENTS = {
    **{f"{name}_imagenet": module for name, module in test_recipes.RECIPES.items()},
    "lenet5_digits": lenet5_digits,
    "lenet5_mnist": lenet5_mnist,
    "lenet5_1998_mnist": lenet5_1998_mnist,
    "resnet_cifar10": resnet_cifar10,
}
FIELDS = "seed steps batch_size log_every dtype model dataset data_dir optimizer schedule init_from"


def test_every_experiment_is_in_the_table():
    files = pathlib.Path(common.__file__).parent.glob("*.py")
    assert {path.stem for path in files} - {"__init__", "common"} == set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_config_is_whole_and_right(name):
    module = EXPERIMENTS[name]
    for arg in (None, "smoke", "dataset=digits", "smoke,dataset=cifar10"):
        config = module.get_config(arg)
        check(config)
        assert set(FIELDS.split()) <= set(config)
    assert config.dataset == "cifar10"
    assert f"experiments/{name}.py" in module.__doc__ or "./launch.sh" in module.__doc__


@pytest.mark.parametrize(
    ("candidates", "table"),
    [
        (common.OPTIMIZERS, build.optimizers.OPTIMIZERS),
        (common.SCHEDULES, build.SCHEDULES),
        (common.AVERAGES, build.optimizers.AVERAGES),
        (common.LOSSES, build.losses.LOSSES),
        (common.KERNEL_INITS, build.KERNEL_INITS),
        (common.NORMS, build.NORMS),
        (common.AUGMENTATIONS, build.augment.AUGMENTATIONS),
    ],
)
def test_every_candidate_can_be_chosen_with_its_options(candidates, table):
    assert set(candidates) == set(table)
    rest = {"optimizer": (0.1,), "schedule": (0.1, 10)}
    for name, options in candidates.items():
        make = table[name]
        first = rest["optimizer"] if table is build.optimizers.OPTIMIZERS else ()
        first = rest["schedule"] if table is build.SCHEDULES else first
        first = (statistics.unknown, 224) if table is build.augment.AUGMENTATIONS else first
        make(*first, **options)
        if inspect.isfunction(make) and make.__name__ != "<lambda>":
            parameters = list(inspect.signature(make).parameters.values())[len(first) :]
            of_all = (
                {"weight_decay", "decayed"} if name in build.optimizers.DECAY_THEMSELVES else set()
            )
            assert {p.name for p in parameters} - of_all == set(options), name


def test_the_paper_recipe_of_table_6():
    config = resnet_cifar10.get_config("depth=110")
    schedule = build.SCHEDULES["piecewise"](
        config.learning_rate, config.steps, **config.schedule.piecewise
    )
    rates = [float(schedule(step)) for step in (0, 399, 400, 31_999, 32_000, 48_000, 63_999)]
    assert rates == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.001, 0.001])
    assert (config.batch_size, config.steps, config.weight_decay) == (128, 64_000, 1e-4)
    assert resnet_cifar10.get_config("split=45k").test_split == "train[45000:]"
    assert "shortcut" not in resnet_cifar10.get_config("plain=true").model


@pytest.mark.parametrize("name", ["lenet5_mnist", "lenet5_1998_mnist", "resnet_cifar10"])
def test_smoke(name, data_dir, tmp_path):
    config = EXPERIMENTS[name].get_config("smoke")
    config.data_dir = data_dir
    summary = loop.run(config, tmp_path)
    assert summary["test"]["count"] == 64
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_seeds_evaluate_load_and_start_from(tmp_path):
    """One path through the verbs, as a person would take it."""
    short = ("--config=experiments/lenet5_digits.py:smoke", f"--workdir={tmp_path}/seeds")
    status, out, err = runs.run("train", *short, "--seeds=2")
    assert status == 0, err
    assert "(n=2)" in out
    both = json.loads((tmp_path / "seeds" / "summary.json").read_text())
    members = [f"{tmp_path}/seeds/seed_{seed}" for seed in (0, 1)]
    errors = [json.loads(pathlib.Path(m, "summary.json").read_text())["test"] for m in members]
    assert both["test"]["top1_errors"] == [e["top1_error"] for e in errors]

    output = tmp_path / "made.npz"
    arguments = (f"--workdir={members[0]}", "--format=json", f"--output={output}")
    status, out, err = runs.run("evaluate", *arguments)
    assert status == 0, err
    found = json.loads(out)
    assert {key: found[key] for key in errors[0]} == errors[0]

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

    config = lenet5_digits.get_config("smoke")
    config.update(init_from=members[0], learning_rate=0.0)
    summary = loop.run(config, tmp_path / "again")
    assert summary["test"] == errors[0]
