"""Full-batch L-BFGS beside Adam and momentum, for equal time (lecture, "In practice")."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnn_history import models, optimizers
from cnn_history.reporting import style
from cnn_history.studies import train
from cnn_history.studies.data import BOTH, images
from cnn_history.studies.findings import Findings, Row, picture
from cnn_history.studies.interval import columns, decided, interval

NETWORK, IMAGE_SIZE = "lenet5", 32
TUNING_SEED = 1000  # differs from all seeds of the results
TIMED = 30  # steps for measuring the time of one
LOOKS = 25  # measurements during a run, the last one at its end
FIRST_LOOK = 1 / 50  # of the run's time
END = 1e-3  # a training loss at which a run counts as finished
QUESTION = (
    "Adam is a good default choice in many cases; if you can afford full batch updates, then try "
    "out L-BFGS (and don't forget to disable all sources of noise)."
)
CAPTION = (
    "LeNet-5 on the embedded digits, without augmentation. Left: the loss on all training images "
    "by processor time, geometric means over the seeds with 95 % intervals; the dotted line is the "
    f"loss of {END:g}. Right: the test error at the end, with a point for each seed and a bar for "
    "the mean."
)
VARIANTS = {
    "smoke": {"seconds": 0.5, "settings": 1, "seeds": 2},
    "long": {"seconds": 60, "seeds": 10},
}


class Method(NamedTuple):
    """A rule, and the rates among which it is tuned.

    Attributes:
      rule: (rate, steps of the run) -> the rule.
      grid: the rates, the first one for a run without tuning; none for a rule without a rate.
      full_batch: whether a step uses all images.
    """

    rule: Callable[[tuple], Any]
    grid: tuple[float, ...] = ()
    full_batch: bool = False


def _lbfgs(setting):
    del setting
    return optimizers.lbfgs()


def _adam(setting):
    rate, _ = setting
    return optimizers.adam(rate)


def _decayed_momentum(setting):
    rate, steps = setting
    return optimizers.momentum(lambda count: rate * (1 - count / steps).clip(0))


METHODS = {
    "L-BFGS": Method(_lbfgs, full_batch=True),
    "Adam": Method(_adam, (1e-3, 3e-4, 3e-3, 1e-4, 1e-2)),
    "SGD, momentum, decay": Method(_decayed_momentum, (0.03, 0.01, 0.1, 0.003, 0.3)),
}


class Point(NamedTuple):
    """Measurements during a run; for several runs, arrays [seeds, looks].

    Attributes:
      seconds: processor time of its steps so far, on all cores.
      steps: their number.
      passes: gradients of single images over the number of images, line searches included.
      loss: loss on all training images.
      test_error: error on the test images.
    """

    seconds: Any
    steps: Any
    passes: Any
    loss: Any
    test_error: Any


def run(seconds: float = 15, batch_size: int = 32, settings: int = 5, seeds: int = 5) -> Findings:
    """Train LeNet-5 on the embedded digits by each rule for the same processor time.

    Compilation and measurements of the loss do not count. Adam and momentum are tuned.

    Args:
      seconds: processor time of each run.
      batch_size: images per step, except for L-BFGS.
      settings: how many rates of each grid to try, from the first.
      seeds: runs of each rule at its best rate; a seed draws weights and order.
    """
    data = images("digits", IMAGE_SIZE, splits=BOTH)
    rows, runs = [], {}
    for name, method in METHODS.items():
        follow = follower(method, *data, seconds, batch_size)
        tuned = {rate: follow(TUNING_SEED, rate)[-1].loss for rate in method.grid[:settings]}
        best = min(tuned, key=tuned.get, default=None)
        made = np.array([follow(seed, best) for seed in range(seeds)], float)
        runs[name] = Point(*np.moveaxis(made, -1, 0))
        rows.append(_row(name, best, tuned, runs[name]))
    return Findings(QUESTION, answer(rows, runs, seconds), rows, {"full_batch.png": _draw(runs)})


def follower(method: Method, learned, tested, seconds: float, batch_size: int) -> Callable:
    """Return (seed, rate) -> the LOOKS Points of a run."""
    network, count = models.create(NETWORK), len(learned[0])
    batch = count if method.full_batch else batch_size
    updates_of = train.trainer(network, method.rule, learned, batch)
    on_learned, on_tested = (train.tester(network, data) for data in (learned, tested))
    due = np.geomspace(seconds * FIRST_LOOK, seconds, LOOKS)

    @functools.cache
    def steps() -> float:
        """Return the number of steps in a run's time."""
        updates = updates_of(train.keys(TUNING_SEED), (0.0, 1.0))
        float(next(updates).seen)  # compiled
        spent = [_timed(updates)[1] for _ in range(TIMED)]
        return seconds / np.median(spent).item()

    def follow(seed: int, rate: float | None) -> list[Point]:
        setting = (0.0, 1.0) if rate is None else (rate, steps())
        updates, made = updates_of(train.keys(seed), setting), []
        spent = taken = seen = 0
        next(updates_of(train.keys(seed), setting))  # compiled before the first one is timed
        while len(made) < LOOKS:
            update, cost = _timed(updates)
            spent, taken = spent + cost, taken + 1
            seen += (1 + int(train.trials(update.state))) * batch
            if not np.isfinite(update.seen):
                lost = Point(seconds, taken, seen / count, np.inf, 1.0)
                return made + [lost] * (LOOKS - len(made))
            if spent >= due[len(made)]:
                variables = train.variables(update.state)
                loss, error = on_learned(variables)[0], on_tested(variables)[1]
                now = Point(spent, taken, seen / count, float(loss), float(error))
                made += [now] * (int((due <= spent).sum()) - len(made))
        return made

    return follow


def _timed(updates) -> tuple[train.Update, float]:
    begun = time.process_time()
    update = next(updates)
    float(update.seen)
    return update, time.process_time() - begun


def finished(runs: Point) -> np.ndarray:
    """Return the processor time at the first look below END of each run; NaN without one."""
    below = runs.loss < END
    first = runs.seconds[np.arange(len(below)), below.argmax(1)]
    return np.where(below.any(1), first, np.nan)


def _row(name: str, rate: float | None, tuned: dict[float, float], runs: Point) -> Row:
    errors, losses, done = runs.test_error[:, -1], runs.loss[:, -1], finished(runs)
    low, high = interval(errors)
    return {
        "rule": name,
        "rate": rate,
        "training_loss_of_each_rate": ", ".join(f"{r:g}: {x:.2g}" for r, x in tuned.items()),
        "steps": runs.steps[:, -1].mean(),
        "passes": runs.passes[:, -1].mean(),
        "seconds": runs.seconds[:, -1].mean(),
        f"runs_below_{END:g}": int(np.isfinite(done).sum()),
        **columns(f"seconds_to_{END:g}", done),
        **columns("training_loss", losses),
        "test_error": errors.mean(),
        "test_error_low": low,
        "test_error_high": high,
        "n": len(errors),
    }


def answer(rows: Sequence[Row], runs: dict[str, Point], seconds: float) -> str:
    """Summarize what each rule reached, and whether L-BFGS has the lower loss and test error.

    Args:
      rows: rows of the table.
      runs: the runs of each rule; all rules have the same seeds.
      seconds: processor time of each run.
    """
    said = [
        f"{r['rule']} {r['training_loss']:.2g} and {r['test_error']:.2%}, "
        + (f"below {END:g} after {r[f'seconds_to_{END:g}']:.1f} s"
           if r[f"runs_below_{END:g}"] == r["n"]
           else f"below {END:g} in {r[f'runs_below_{END:g}']} of {r['n']} runs")
        for r in rows
    ]  # fmt: skip
    ours, *others = runs
    verdicts = [_beside(ours, other, runs) for other in others]
    return (
        f"Training loss and test error after {seconds:g} s of processor time: {'; '.join(said)}. "
        f"{' '.join(verdicts)} Intervals: 95 %, over {rows[0]['n']} seeds."
    )


def _beside(ours: str, other: str, runs: dict[str, Point]) -> str:
    decades = np.log10(runs[other].loss[:, -1]) - np.log10(runs[ours].loss[:, -1])
    errors = runs[other].test_error[:, -1] - runs[ours].test_error[:, -1]
    loss = _apart(decades, "loss", "{:.1f} decades")
    return f"{ours} has {loss}, and {_apart(errors, 'test error', '{:.2%}')}, than {other}."


def _apart(more: np.ndarray, what: str, form: str) -> str:
    """Say by how much a quantity is lower, from what it is higher by with the other rule."""

    def ends(values):
        return " to ".join(form.format(end) for end in interval(values))

    return decided(
        more,
        f"a {what} lower by {ends(more)}",
        f"a {what} higher by {ends(-more)}",
        f"no significantly different {what} ({ends(more)})",
    )


@picture(CAPTION, 1, 2, figsize=(9.0, 3.4), width_ratios=(1.3, 1))
def _draw(panels, runs: dict[str, Point]) -> None:
    left, right = panels
    for i, (name, found) in enumerate(runs.items()):
        seconds, logs = found.seconds.mean(0), np.log(found.loss)
        span = [interval(column) for column in logs.T]
        middle, (low, high) = np.exp(logs.mean(0)), np.exp(span).T
        style.band(left, seconds, middle, low, high, marker="o", markersize=2.5, label=name)
        percent = 100 * found.test_error[:, -1]
        right.bar(i, percent.mean(), color=style.CATEGORIES[i], alpha=0.35, width=0.6)
        places = i + np.linspace(-0.15, 0.15, len(percent))
        right.plot(places, percent, "o", color=style.CATEGORIES[i], ms=4)
    left.axhline(END, color=style.PAPER, linestyle=":")
    left.set(
        title="loss on all training images", xlabel="processor time, s", xscale="log", yscale="log"
    )
    left.xaxis.set_major_formatter("{x:g}")
    right.set_title("test error at the end, %")
    right.set_xticks(range(len(runs)), [n.replace(", ", ",\n") for n in runs])
    right.grid(axis="x", visible=False)
