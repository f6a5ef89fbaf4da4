"""Train ResNet-20 by the paper's recipe here and in PyTorch, from the same weights and batches.

    EXTRAS=torch ./launch.sh python -m tests.compare_torch --steps=1000 --output=results

Writes `resnet20_beside_torch.json` and `.png`. Needs CIFAR-10 in $TFDS_DATA_DIR.
"""

import json
import pathlib
import time

import jax
import numpy as np
import torch
from absl import app, flags

from cnn_history import build, datasets
from cnn_history.benchmarks import torch_networks
from cnn_history.files import record, workdir
from cnn_history.reporting import style
from cnn_history.training import devices, keys, program
from experiments import resnet_cifar10
from tests import torch_resnet
from tests.training import settings

STEPS = flags.DEFINE_integer("steps", 1000, "Number of updates.")
OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON and the figure.")
WINDOW = 50  # steps that a point of the curves averages


def setting(config, mesh):
    """Return (first state, compiled program, feed, batch of a cursor)."""
    train = datasets.source(config.dataset, config.train_split, config.data_dir)
    network = build.model(config, len(train.classes))
    compiled, training, way = settings.of(config, network, train, mesh)
    key = keys.keys(config.seed)

    @jax.jit
    def batch(data, cursor):
        taken = training.take(data, cursor)
        return program.batch(taken, cursor, way, key)

    return compiled.init(), compiled, training, batch


def main(argv):
    del argv
    devices.start()
    config = resnet_cifar10.get_config()
    state, compiled, training, batch = setting(config, devices.mesh())
    net = torch_networks.CifarResNet(blocks=3)
    torch_resnet.load(net, state.params)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch_resnet.recipe(net, config.learning_rate)

    curves, seconds = {"jax": [], "torch": []}, {"jax": 0.0, "torch": 0.0}
    for step in range(STEPS.value):
        images = batch(
            training.data, training.at(step, 1)
        )  # a program of its own, in neither one's time
        started = time.perf_counter()
        state, metrics = compiled.step(state, training.data, training.at(step, 1))
        curves["jax"].append(float(metrics["loss"]))
        between = time.perf_counter()
        curves["torch"].append(torch_resnet.step(net, optimizer, images["image"], images["label"]))
        if step:  # the first compiles
            seconds["jax"] += between - started
            seconds["torch"] += time.perf_counter() - between
        if step % WINDOW == 0:
            print(step, {name: round(values[-1], 4) for name, values in curves.items()}, flush=True)

    folder = pathlib.Path(OUTPUT.value)
    means = {
        name: [float(np.mean(values[i : i + WINDOW])) for i in range(0, STEPS.value, WINDOW)]
        for name, values in curves.items()
    }
    apart = [abs(a - b) for a, b in zip(curves["jax"], curves["torch"], strict=True)]
    result = {
        "what": "training loss of resnet20 on CIFAR-10, same first weights, same batches, float32",
        "config": workdir.config_json(config),
        "steps": STEPS.value,
        "window": WINDOW,
        "loss": means,
        "difference_of_step": {str(i): apart[i] for i in (0, 1, 3, 9, 99) if i < STEPS.value},
        "seconds_a_step": {name: value / (STEPS.value - 1) for name, value in seconds.items()},
        "versions": {**record.versions(), "torch": torch.__version__},
        "devices": record.devices(),
    }
    record.write_json(folder / "resnet20_beside_torch.json", result)
    with style.figure(folder / "resnet20_beside_torch.png", figsize=(5.6, 3.2)) as (_, axes):
        steps = [i + WINDOW / 2 for i in range(0, STEPS.value, WINDOW)]
        axes.plot(steps, means["jax"], color=style.TRAIN, label="cnn_history")
        axes.plot(steps, means["torch"], color=style.TEST, linestyle="--", label="plain PyTorch")
        axes.set(title=f"ResNet-20 on CIFAR-10, training loss (means of {WINDOW} steps)")
        axes.set(xlabel="step", ylim=(0, None))
        axes.legend()
    print(json.dumps({k: result[k] for k in ("difference_of_step", "seconds_a_step")}))


if __name__ == "__main__":
    app.run(main)
