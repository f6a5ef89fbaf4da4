"""Measure the error of averaged parameters with and without their own batch-norm statistics.

    ./launch.sh python -m tests.training.measure_averages --output=results/averages.json

trains ResNet-20 on digits by its recipe, except for size and length, with Polyak's average of its
parameters. For each seed it tests three networks: the newest parameters with their running
statistics; the average with the same statistics; and the average with its own, as a run evaluates
it.
"""

import json
import pathlib
import statistics
import sys
import tempfile
from unittest import mock

import jax
import numpy as np

from cnn_history import build, loading
from cnn_history.config import choose
from cnn_history.files import checkpoint, record
from cnn_history.optimizers.averaging import averaged_params
from cnn_history.reporting import figures
from cnn_history.training import devices, loop
from experiments import resnet_cifar10

SEEDS = (0, 1, 2)
STEPS = 50
RECIPE = {
    **{"image_size": 8, "batch_size": 128, "eval_batch_size": 360, "steps": STEPS},
    **{"log_every": STEPS, "eval_every": STEPS, "checkpoint_every": STEPS},
}


def config_of(seed, evaluated):
    config = resnet_cifar10.get_config("depth=20,dataset=digits")
    config.update(**RECIPE, seed=seed, evaluated=evaluated)
    config.augmentation.name = "none"
    config.averaging = choose("averaging", "polyak")
    return config


def train(seed, evaluated, folder):
    """Return the test error of a run, in percent."""
    with mock.patch.object(figures, "run"):
        return 100 * loop.run(config_of(seed, evaluated), folder)["test"]["top1_error"]


def with_statistics_of_the_newest(folder):
    """Return the test error of the average that a run holds, with the run's own statistics."""
    model, variables, preprocessing = loading.load(folder)
    state = checkpoint.restore_variables(folder)
    images, labels = build.sources(config_of(0, "newest"))[1].arrays()
    variables = {**variables, "params": averaged_params(state["opt_state"])}
    logits = jax.jit(lambda x: model.apply(variables, x, train=False))(preprocessing(images))
    return 100 * float(np.mean(np.argmax(logits, 1) != labels))


def measure(seed):
    with tempfile.TemporaryDirectory() as name:
        here = pathlib.Path(name)
        newest = train(seed, "newest", here / "newest")
        return {
            "seed": seed,
            "newest": newest,
            "average_by_others_statistics": with_statistics_of_the_newest(here / "newest"),
            "average_by_its_own": train(seed, "averaged", here / "averaged"),
        }


def main(output):
    """Do all of it, and write the table."""
    devices.start()
    rows = []
    for seed in SEEDS:
        rows.append({k: round(v, 2) for k, v in measure(seed).items()})
        print(json.dumps(rows[-1]), flush=True)
    means = {name: round(statistics.fmean(row[name] for row in rows), 2) for name in rows[0]}
    del means["seed"]
    print(json.dumps(means))
    found = {"recipe": RECIPE, "rows": rows, "means": means}
    record.write_json(output, {**found, "versions": record.versions()})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1].removeprefix("--output=")))
