"""Adam, SGD with momentum and decay, K-FAC, full-batch L-BFGS (lecture, "In practice")."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from cnn_history import layers, optimizers
from cnn_history.reporting import style
from cnn_history.studies import train
from cnn_history.studies.data import BOTH, Data, images
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import columns, decided, ends, interval
from cnn_history.training import differentiate

IMAGE_SIZE = 8
TUNING_SEED = 1000  # not among the seeds of the results
LOOKS = 7  # measurements during a run, the last one at its end
QUESTION = (
    "Adam is a good default choice in many cases; SGD with momentum and a decaying rate often "
    "outperforms it by a bit, but needs tuning; and if full batches can be afforded, try L-BFGS."
)
CAPTION = (
    "Left: the loss on all training images by pass, for each rule at its best setting, averaged "
    "over the seeds, with 95 % intervals. Right: the test error at the end, with a point for each "
    "seed and a bar for the mean."
)
VARIANTS = {
    "smoke": {"passes": 1, "settings": 1, "seeds": 2},
    "long": {"passes": 200, "seeds": 10},
}


class Method(NamedTuple):
    """A rule, and the settings among which it is tuned.

    Attributes:
      make: (setting, steps of the run) -> the rule.
      grid: the settings; their number is the same for all methods.
      unit: the meaning of a setting.
      full_batch: whether a step uses all images.
      differentiate: one of `training/differentiate.py`.
    """

    make: Callable
    grid: tuple
    unit: str
    full_batch: bool = False
    differentiate: Callable = differentiate.plainly


def _decayed(rate, steps):
    return optimizers.momentum(lambda count: rate * (1 - count / steps))


def _kfac(rate, steps):
    del steps
    return optimizers.kfac(rate, damping=1e-2, factors_every=10, inverses_every=10)


METHODS = {
    "Adam": Method(
        lambda rate, steps: optimizers.adam(rate), (1e-2, 3e-3, 3e-2, 1e-1, 3e-1), "rate"
    ),
    "SGD, momentum, decay": Method(_decayed, (0.3, 0.1, 1.0, 3.0, 10.0), "rate"),
    "K-FAC": Method(
        _kfac, (0.1, 0.3, 1.0, 3.0, 10.0), "rate", differentiate=differentiate.with_factors
    ),
    "L-BFGS": Method(
        lambda m, steps: optimizers.lbfgs(m), (10, 5, 20, 40, 80), "memory", full_batch=True
    ),
}


class Net(nn.Module):
    """Two tanh convolutions with average pooling, and a linear classifier: 1,898 parameters."""

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """[n, 8, 8, 1] -> logits [n, 10]."""
        del train
        x = images
        for maps in (8, 16):
            x = nn.avg_pool(nn.tanh(layers.Conv(maps, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(10)(x.reshape(len(x), -1))


def run(passes: int = 40, batch_size: int = 128, settings: int = 5, seeds: int = 5) -> Findings:
    """Train a small convolutional net on the embedded digits by each rule, tuned equally.

    A pass is one value and gradient of every image. Each trial of L-BFGS's line search counts.

    Args:
      passes: passes over the training images per run.
      batch_size: images per step, except for L-BFGS.
      settings: how many settings of each rule's grid to try, from the first.
      seeds: runs of each rule at its best setting; a seed draws weights and order.
    """
    splits = images("digits", IMAGE_SIZE, splits=BOTH)
    rows, curves = [], {}
    for name, method in METHODS.items():
        trainers = {
            setting: trainer(method, setting, *splits, passes, batch_size)
            for setting in method.grid[:settings]
        }
        tuned = {setting: follow(TUNING_SEED)[-1].loss for setting, follow in trainers.items()}
        best = min(tuned, key=tuned.get)
        runs = np.array([trainers[best](seed) for seed in range(seeds)])
        curves[name] = Point(*np.moveaxis(runs, -1, 0))
        rows.append(_row(name, f"{method.unit} {best:g}", tuned, curves[name]))
    errors = {name: found.test_error[:, -1] for name, found in curves.items()}
    return Findings(
        QUESTION, answer(rows, errors, passes), rows, {"in_practice.png": _draw(curves)}
    )


class Point(NamedTuple):
    """Loss on all training images and test error of a run after some passes.

    For several runs, arrays [seeds, looks].
    """

    passes: Any
    loss: Any
    test_error: Any


def trainer(
    method: Method, setting: float, learned: Data, tested: Data, passes: int, batch_size: int
) -> Callable[[int], list[Point]]:
    """Return seed -> the LOOKS Points of a run, the last one at its end.

    Passes are counted in gradients of single images, including those of line searches.
    """
    n, network = len(learned[0]), Net()
    batch_size = n if method.full_batch else batch_size
    rule = method.make(setting, passes * n // batch_size)
    updates_of = train.trainer(
        network, lambda _: rule, learned, batch_size, differentiate=method.differentiate
    )
    on_learned, on_tested = (train.tester(network, data) for data in (learned, tested))
    shares = np.geomspace(1, passes, LOOKS)

    def follow(seed: int) -> list[Point]:
        weights, drawn = jax.random.split(jax.random.key(seed))
        made, seen = [], 0
        for update in updates_of((weights, jax.random.key(seed), drawn)):
            if not np.isfinite(update.seen):
                return made + [Point(passes, np.inf, 1.0)] * (LOOKS - len(made))
            seen += (1 + int(train.trials(update.state))) * batch_size
            due = sum(seen >= share * (n - n % batch_size) for share in shares)
            if due > len(made):
                variables = train.variables(update.state)
                loss, error = on_learned(variables)[0], on_tested(variables)[1]
                made += [Point(seen / n, float(loss), float(error))] * (due - len(made))
            if len(made) == LOOKS:
                return made

    return follow


def _row(name: str, setting: str, tuned: dict[float, float], runs: Point) -> dict:
    errors = runs.test_error[:, -1]
    low, high = interval(errors)
    return {
        "rule": name,
        "setting": setting,
        "training_loss_of_each_setting": ", ".join(f"{s:g}: {x:.2g}" for s, x in tuned.items()),
        **columns("training_loss", runs.loss[:, -1]),
        "test_error": errors.mean(),
        "test_error_low": low,
        "test_error_high": high,
        "n": len(errors),
    }


def answer(rows: Sequence[dict], errors: dict[str, np.ndarray], passes: int) -> str:
    """Give losses and errors of each rule, and whether momentum's test error is below Adam's.

    Args:
      rows: rows of the table.
      errors: test errors by rule, [seeds]; all rules have the same seeds.
      passes: passes of each run.
    """
    said = [f"{r['rule']} {r['training_loss']:.2g} and {r['test_error']:.2%}" for r in rows]
    more = errors["Adam"] - errors["SGD, momentum, decay"]
    words = decided(
        more,
        "SGD with momentum and decay has the lower test error than Adam",
        "Adam has the lower test error than SGD with momentum and decay",
        "The test errors of Adam and of SGD with momentum and decay do not differ significantly",
    )
    return (
        f"Training loss and test error after {passes} passes: {'; '.join(said)}. "
        f"{words}: Adam's less momentum's is {ends(more, '.2%')}"
        f" (95 % interval over {len(more)} seeds)."
    )


@picture(CAPTION, 1, 2, figsize=(9.0, 3.4), width_ratios=(1.3, 1))
def _draw(panels, curves: dict[str, Point]) -> None:
    left, right = panels
    for i, (name, runs) in enumerate(curves.items()):
        passes, logs, percent = runs.passes.mean(0), np.log(runs.loss), 100 * runs.test_error[:, -1]
        span = [interval(column) for column in logs.T] if len(logs) > 1 else [(np.nan, np.nan)]
        middle, (low, high) = np.exp(logs.mean(0)), np.exp(span).T
        style.band(left, passes, middle, low, high, marker="o", markersize=3, label=name)
        right.bar(i, percent.mean(), color=style.CATEGORIES[i], alpha=0.35, width=0.6)
        places = i + np.linspace(-0.15, 0.15, len(percent))
        right.plot(places, percent, "o", color=style.CATEGORIES[i], ms=4)
    left.set(title="loss on all training images", xlabel="passes", xscale="log", yscale="log")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(lambda value, position: "")
    right.set_title("test error at the end, %")
    right.set_xticks(range(len(curves)), [n.replace(", ", ",\n") for n in curves])
    right.grid(axis="x", visible=False)
