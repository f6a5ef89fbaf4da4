"""K-FAC against SGD with momentum: steps and seconds to a training loss, each tuned alike.

    ./launch.sh python -m tests.compare_kfac --output=results

Each rule runs once at each value of `GRIDS`, on a separate seed, and keeps the value with the
lowest final losses: the same budget for both. With this value, the rule runs from other seeds. Both
rules take turns of `TURN` steps in one process, so other work on the machine slows both. Writes
`kfac_beside_momentum.json` and `.png`. Needs MNIST and CIFAR-10 in $TFDS_DATA_DIR.
"""

import dataclasses
import functools
import pathlib
import time

import jax
import numpy as np
from absl import app, flags

from cnn_history import build, datasets
from cnn_history.files import record, workdir
from cnn_history.reporting import style
from cnn_history.training import devices
from experiments import lenet5_mnist, resnet_cifar10
from tests.training import settings

OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON and the figure.")
TASKS = flags.DEFINE_list("tasks", "lenet5,resnet20", "Which to run.")
# What sets the length of a step: the rate of momentum, the bound on the KL divergence of K-FAC.
# With the bound active the rate of K-FAC changes nothing, as was measured; it stays RATE.
GRIDS = {
    "momentum": ("learning_rate", (0.003, 0.01, 0.03, 0.1, 0.3)),
    "kfac": ("kl_clip", (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
}
RATE = 0.1
TUNING_SEED, SEEDS = 100, (0, 1, 2)
WINDOW = 10  # steps; the loss that counts is the mean of the last so many
TURN = 10  # steps; a multiple of what K-FAC leaves between inversions
RULES = {"momentum": {}, "kfac": {"damping": 1e-2, "factors_every": 10, "inverses_every": 10}}


@dataclasses.dataclass(frozen=True)
class Task:
    """A network, the images that it learns, and how far.

    Attributes:
      module: the experiment that it comes from; rate constant, no weight decay, no augmentation.
      images: the training split.
      batch_size: of a step.
      targets: the losses to be reached.
      tuning: steps of each run of the grid.
      steps: of each run that counts.
    """

    module: object
    images: str
    batch_size: int
    targets: tuple[float, ...]
    tuning: int
    steps: int


ALL = {
    "lenet5": Task(lenet5_mnist, "train", 128, (0.5, 0.3, 0.25), 60, 150),
    "resnet20": Task(resnet_cifar10, "train[:10000]", 64, (2.0, 1.8, 1.7), 40, 120),
}


def configured(task, rule, value, seed):
    """Return the config of a run, `value` being that of the rule's grid."""
    name, _ = GRIDS[rule]
    config = task.module.get_config()
    config.update(
        seed=seed,
        batch_size=task.batch_size,
        train_split=task.images,
        weight_decay=0.0,
        learning_rate=value if name == "learning_rate" else RATE,
    )
    config.augmentation.name = "none"
    config.schedule.name = "constant"
    config.optimizer.name = rule
    config.optimizer[rule].update(RULES[rule])
    if name != "learning_rate":
        config.optimizer[rule][name] = value
    return config


@functools.cache
def loaded(dataset, split, data_dir):
    """Return the images in memory, decoded once."""
    source = datasets.source(dataset, split, data_dir)
    return settings.source(*source.arrays(), len(source.classes))


def run(task, rule, value, seed):
    """Yield (loss, seconds) of each step; compiling is in no step's seconds."""
    config = configured(task, rule, value, seed)
    train = loaded(config.dataset, config.train_split, config.data_dir)
    network = build.model(config, len(train.classes))
    compiled, training, *_ = settings.of(config, network, train)
    compiled.step(compiled.init(), training.data, training.at(0, 1))
    state = compiled.init()
    for step in range(task.steps):
        cursor = training.at(step, 1)
        jax.block_until_ready(state)
        started = time.perf_counter()
        state, metrics = compiled.step(state, training.data, cursor)
        loss = float(metrics["loss"])
        yield (loss if metrics["applied"] else float("inf")), time.perf_counter() - started


def reached(losses, target):
    """Return after how many steps the mean of the last `WINDOW` losses is at most the target."""
    means = np.convolve(losses, np.ones(WINDOW) / WINDOW, "valid")
    below = np.flatnonzero(means <= target)
    return int(below[0]) + WINDOW if len(below) else None


def tuned(task, rule):
    """Return the last losses at each value of its grid."""
    ends = {}
    name, values = GRIDS[rule]
    for value in values:
        steps = run(task, rule, value, TUNING_SEED)
        losses = [next(steps)[0] for _ in range(task.tuning)]
        ends[value] = float(np.mean(losses[-WINDOW:]))
        print(rule, name, value, ends[value], flush=True)
    return ends


def race(task, chosen, seed):
    """Return each rule's losses and the seconds of each step, run in turns."""
    steps = {rule: run(task, rule, value, seed) for rule, value in chosen.items()}
    made = {rule: [] for rule in chosen}
    for _ in range(task.steps // TURN):
        for rule in chosen:
            made[rule] += [next(steps[rule]) for _ in range(TURN)]
    return {rule: tuple(zip(*steps, strict=True)) for rule, steps in made.items()}


def compare(task):
    """Return what is found of a task, JSON, and the losses of each rule, [seeds, steps]."""
    grid = {rule: tuned(task, rule) for rule in RULES}
    chosen = {rule: min(ends, key=ends.get) for rule, ends in grid.items()}
    runs, ratios, curves = [], [], {rule: [] for rule in RULES}
    for seed in SEEDS:
        made = race(task, chosen, seed)
        turns = {rule: np.reshape(s, (-1, TURN)).sum(1) for rule, (_, s) in made.items()}
        ratios += list(turns["kfac"] / turns["momentum"])
        for rule, (losses, seconds) in made.items():
            curves[rule].append(losses)
            steps = {str(target): reached(losses, target) for target in task.targets}
            runs.append(
                {
                    "rule": rule,
                    "seed": seed,
                    "steps": steps,
                    "seconds": {t: n and sum(seconds[:n]) for t, n in steps.items()},
                    "last_loss": float(np.mean(losses[-WINDOW:])),
                }
            )
            print(runs[-1], flush=True)
    low, middle, high = (float(np.quantile(ratios, q)) for q in (0.25, 0.5, 0.75))
    found = {
        "images": task.images,
        "batch_size": task.batch_size,
        "target_losses": task.targets,
        "tuning_steps": task.tuning,
        "steps": task.steps,
        "grid": grid,
        "chosen": chosen,
        "runs": runs,
        "seconds_of_a_step_over_momentum": {"median": middle, "low": low, "high": high},
        "config": workdir.config_json(configured(task, "kfac", chosen["kfac"], 0)),
    }
    return found, curves


def draw(path, found, curves):
    """Draw the losses over steps, and over the time that the steps took on the median."""
    colours = {"momentum": style.TEST, "kfac": style.TRAIN}
    names = {"momentum": "SGD with momentum", "kfac": "K-FAC"}
    words = {"momentum": "rate", "kfac": "KL bound"}
    with style.figure(path, 1, len(found), figsize=(4.4 * len(found), 3.2)) as (_, panels):
        for axes, (name, task) in zip(np.atleast_1d(panels), found.items(), strict=True):
            chosen = task["chosen"]
            for rule, runs in curves[name].items():
                for i, losses in enumerate(runs):
                    means = np.convolve(losses, np.ones(WINDOW) / WINDOW, "valid")
                    axes.plot(
                        np.arange(len(means)) + WINDOW,
                        means,
                        color=colours[rule],
                        linewidth=1,
                        label=None if i else f"{names[rule]}, {words[rule]} {chosen[rule]:g}",
                    )
            for target in task["target_losses"]:
                axes.axhline(target, color=style.PAPER, linewidth=0.8, linestyle=":")
            axes.set(title=name, xlabel="step", ylabel=f"loss, mean of {WINDOW} steps")
            axes.set(yscale="log", xlim=(0, None))
            axes.legend()


def main(argv):
    del argv
    devices.start()
    folder = pathlib.Path(OUTPUT.value)
    tasks, losses = {}, {}
    for name in TASKS.value:
        tasks[name], losses[name] = compare(ALL[name])
        result = {
            "what": "steps and seconds to a training loss, K-FAC and SGD with momentum 0.9",
            "window": WINDOW,
            "grids": {rule: {name: values} for rule, (name, values) in GRIDS.items()},
            "tasks": tasks,
            "losses": losses,
            "versions": record.versions(),
            "devices": record.devices(),
        }
        record.write_json(folder / "kfac_beside_momentum.json", result)
        draw(folder / "kfac_beside_momentum.png", tasks, losses)


if __name__ == "__main__":
    app.run(main)
