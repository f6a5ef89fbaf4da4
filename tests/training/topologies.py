"""Compare one run on several numbers of processes and devices: its examples and its results.

    ./launch.sh python -m tests.training.topologies --output=results/processes/equality.json

starts each of ALL as real processes that meet over 127.0.0.1, compares them with the first, and
writes the table. The run has batch norm, dropout and augmentation, on resident images and on
streamed photos. The data do not fill the last batch, so an evaluation must count a partial one.
"""

import functools
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from cnn_history import datasets, evaluation, layers
from cnn_history.datasets import examples
from cnn_history.files import checkpoint, record
from cnn_history.training import devices, feed, processes
from experiments import lenet5_digits
from tests.datasets import files
from tests.training import settings
from tests.training.runs import CHECKOUT

STEPS, SAVED = 30, 12
RATE = 0.01
FEEDS = ("whole", "streamed")
RUNS = ("whole float32", "streamed float32", "whole float64", "streamed float64")
SHORT = ("whole float32", "whole float64", "streamed float64")  # each costs a compilation
MODULE = "tests.training.topologies"
FIRST_STEP, LATER_STEPS = 1e-5, 1e-10  # relative, float32; absolute, float64


class Topology(NamedTuple):
    """A number of processes, and the number of devices of each."""

    processes: int
    devices: int

    def __str__(self):
        return f"{self.processes} processes x {self.devices} devices"


ONE, TWO, EIGHT_DEVICES = Topology(1, 1), Topology(2, 1), Topology(1, 8)
FOUR, FOUR_OF_TWO = Topology(4, 1), Topology(4, 2)
ALL = (ONE, TWO, FOUR, EIGHT_DEVICES, FOUR_OF_TWO)


class Net(nn.Module):
    """Small, with what depends on the whole batch and what draws for each example."""

    group_size: int | None = None

    @nn.compact
    def __call__(self, x, train: bool):
        """[n, 8, 8, c] -> [n, 10]."""
        x = layers.Conv(8, (3, 3), use_bias=False, param_dtype=float, dtype=float)(x)
        norm = layers.BatchNorm(group_size=self.group_size, dtype=x.dtype)
        x = norm(x, use_running_average=not train)
        x = nn.relu(x).reshape(len(x), -1)
        x = nn.Dropout(0.3, deterministic=not train)(x)
        return nn.Dense(10, param_dtype=float, dtype=float)(x)


def config(kind, dtype):
    """Return the config of a run on data of a kind."""
    one = lenet5_digits.get_config()
    one.update(dtype=dtype, batch_size=16, eval_batch_size=16, image_size=8, learning_rate=RATE)
    one.update(steps=STEPS, scaling="per_pixel_mean", log_every=STEPS)
    one.schedule.name = "constant"
    one.augmentation.name = "pad_crop_flip"
    if kind == "streamed":
        one.adapter, one.augmentation.name = "square", "vgg"
        one.augmentation.vgg.scales = (9, 12)
    return one


def sources(kind, photos):
    """Return training and test examples: 3.1 steps an epoch, and tests that end in mid-batch."""
    if kind == "streamed":
        return datasets.source("folder", "train", photos), datasets.source("folder", "val", photos)
    return datasets.source("digits", "train[:50]"), datasets.source("digits", "test[:41]")


def _run(kind, dtype, folder, photos):
    """Return, in every process, what was seen and made."""
    jax.config.update("jax_enable_x64", dtype == "float64")
    mesh, setup = devices.mesh(), config(kind, dtype)
    train, test = sources(kind, photos)
    compiled, training, *_ = settings.of(setup, Net(), train, mesh)
    whole = jax.jit(lambda x: x, out_shardings=devices.replicated(mesh))
    state, seen, made = compiled.init(), [], []
    for step in range(STEPS if dtype == "float64" else 1):
        cursor = training.at(step, 1)
        seen.append({name: _digest(values) for name, values in whole(cursor).items()})
        state, metrics = compiled.step(state, training.data, cursor)
        made.append({name: float(metrics[name]) for name in ("loss", "gradient_norm")})
        if step == 0:
            # The first velocity of momentum is minus the rate times the gradient.
            gradient = _flat(state.opt_state, of=("trace",)) / -RATE
        if (kind, step + 1) == ("whole", SAVED):
            chief = processes.chief(), processes.from_chief
            with checkpoint.Checkpoints(folder / "saved", 1, *chief) as checkpoints:
                checkpoints.save(SAVED, state)
    training.close()
    testing = examples.examples(test, setup.image_size, setup.adapter, skip=None)
    predict = functools.partial(compiled.evaluate, state)
    results = feed.over_examples(predict, testing, setup.eval_batch_size, mesh)
    numbers = evaluation.errors(results["probabilities"], results["label"])
    return {
        "seen": seen,
        "made": made,
        "gradient": gradient.tolist(),
        "end": _flat((state.params, state.model_state)).tolist(),
        "test": {
            "wrong": round(numbers["top1_error"] * numbers["count"]),
            "count": numbers["count"],
            "labels": _digest(results["label"]),
            "loss": float(np.mean(results["loss"])),
        },
    }


def _go_on(saved):
    """Restore what another topology has saved in float64; return the parameters at the end."""
    jax.config.update("jax_enable_x64", True)
    mesh = devices.mesh()
    compiled, training, *_ = settings.of(
        config("whole", "float64"), Net(), sources("whole", None)[0], mesh
    )
    chief = processes.chief(), processes.from_chief
    with checkpoint.Checkpoints(saved / "saved", 1, *chief) as checkpoints:
        state = checkpoints.restore(compiled.abstract)
    assert int(state.step) == SAVED
    for step in range(SAVED, STEPS):
        state, _ = compiled.step(state, training.data, training.at(step, 1))
    return _flat((state.params, state.model_state)).tolist()


def _digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _flat(tree, of=None):
    """Return the floating-point leaves as one array; of those named, where names are given."""
    leaves = [
        np.asarray(leaf).ravel()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if not of or any(getattr(key, "name", None) in of for key in path)
    ]
    return np.concatenate(leaves)


def main(topology, process, address, wanted, folder, photos, saved):
    """Be one of the processes; process 0 writes what it found."""
    count, each = topology
    jax.config.update("jax_num_cpu_devices", each)
    processes.join(str(count), process, address)
    devices.start()
    assert jax.device_count() == count * each
    folder = pathlib.Path(folder)
    found = {name: _run(*name.split(), folder, photos) for name in wanted}
    if saved:
        found["resumed"] = _go_on(pathlib.Path(saved))
    if processes.chief():
        (folder / "found.json").write_text(json.dumps(found))


def find(topology, folder, photos, saved=None, wanted=RUNS):
    """Return what real processes of a topology find; `saved` is the folder of another's state."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    what = {"wanted": wanted, "folder": str(folder), "photos": photos}
    what |= {"topology": topology, "address": address, "saved": saved and str(saved)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", MODULE, "--one", json.dumps({**what, "process": k})],
            cwd=CHECKOUT,
            env={name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for k in range(topology.processes)
    ]
    ends = [(process.communicate(timeout=600)[1], process.returncode) for process in started]
    assert not any(status for _, status in ends), f"{topology}: {ends}"
    return json.loads((folder / "found.json").read_text())


def differences(one, other):
    """Return, by the kind of feed, how far two findings are from each other."""
    table = {}
    for kind in FEEDS:
        name = f"{kind} float64"
        pairs = {key: (one[name][key], other[name][key]) for key in one[name]}
        row = table[kind] = {
            "same_examples": pairs["seen"][0] == pairs["seen"][1],
            "steps": len(pairs["made"][0]),
            **{number: _furthest(pairs["made"], number) for number in ("loss", "gradient_norm")},
            "parameters": float(np.abs(np.subtract(*pairs["end"])).max()),
            "wrong": [test["wrong"] for test in pairs["test"]],
            "count": [test["count"] for test in pairs["test"]],
            "same_labels": pairs["test"][0]["labels"] == pairs["test"][1]["labels"],
        }
        if (name := f"{kind} float32") in one:
            starts = [found[name]["made"][0]["loss"] for found in (one, other)]
            gradients = [np.array(found[name]["gradient"]) for found in (one, other)]
            largest = np.abs(gradients[0]).max()
            row["first_loss"] = abs(starts[1] / starts[0] - 1)
            row["first_gradient"] = float(np.abs(np.subtract(*gradients)).max() / largest)
    return table


def _furthest(made, number):
    return max(abs(a[number] - b[number]) for a, b in zip(*made, strict=True))


def assert_equal(table):
    """Hold the differences against what is promised."""
    for kind, row in table.items():
        assert row["same_examples"], kind
        assert row["same_labels"], kind
        assert row["wrong"][0] == row["wrong"][1], kind
        assert row["steps"] == STEPS
        for name in ("loss", "gradient_norm", "parameters"):
            assert row[name] < LATER_STEPS, f"{kind}: {name}"
        for name in {"first_loss", "first_gradient"} & set(row):
            assert row[name] < FIRST_STEP, f"{kind}: {name}"
    assert "first_loss" in table["whole"]
    assert table["whole"]["count"] == [41, 41]
    assert table["streamed"]["count"] == [9, 9]


def make_photos(folder):
    """Return a folder of small photos."""
    return files.make_folder(folder, train=50, val=9)


def compare(output):
    """Start every topology twice, and write the table of differences from the first."""
    folder = pathlib.Path(tempfile.mkdtemp())
    photos, rows = make_photos(folder / "photos"), []
    find(FOUR, folder / "saved", photos)
    reference = find(ONE, folder / "one", photos)
    for number, topology in enumerate(ALL):
        twice = [
            find(topology, folder / f"{number}_{i}", photos, folder / "saved") for i in range(2)
        ]
        table = differences(reference, twice[0])
        assert_equal(table)
        end = np.array(reference["whole float64"]["end"])
        resumed = float(np.abs(np.array(twice[0]["resumed"]) - end).max())
        rows.append(
            {
                **topology._asdict(),
                **table,
                "same_bits_again": twice[0] == twice[1],
                "resumed_from_4_processes": resumed,
            }
        )
        print(topology, json.dumps(rows[-1]))
    what = (
        "the same run on other numbers of processes and devices, beside one process with one: "
        "relative differences of the first step in float32, largest absolute ones of 30 steps in "
        "float64; resumed: a state saved by 4 processes at step 12, made to 30 by these"
    )
    found = {"what": what, "device": record.devices(), "versions": record.versions()}
    output.parent.mkdir(parents=True, exist_ok=True)
    record.write_json(output, {**found, "commit": record.commit(), "rows": rows})


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        main(**json.loads(sys.argv[2]))
    else:
        compare(pathlib.Path(sys.argv[1].removeprefix("--output=")))
