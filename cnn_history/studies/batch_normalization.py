"""What batch normalization does for training: the four claims of the lecture's slide, and what
its statistics in testing are.

Ioffe & Szegedy 2015 (arXiv:1502.03167), sec. 1, 3.3, 3.4 and 4.2.
"""

import functools
import itertools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from cnn_history import initializers, layers
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.reporting import style
from cnn_history.studies import course
from cnn_history.studies.findings import Findings, Picture
from cnn_history.studies.interval import interval, verdict
from cnn_history.training.statistics import recompute

CLASSES = 10
CHANCE = float(np.log(CLASSES))  # the loss of one who knows nothing
DROPOUT = 0.5
RATE = 0.02  # for everything but the search for the largest
RATES = tuple(0.02 * 2.0**k for k in range(9))
GAINS = tuple(2.0**k for k in range(-3, 4))  # times He's initialization
SMALL = 1 / 4  # of He's: about the lecture's small random numbers, 0.01 to 0.05
STATISTICS_BATCHES = 20
LONGER = 4  # times as many steps where it is the test error that counts
LAG = 8  # steps after which a moving average is compared, a power of two
QUESTION = (
    "Batch normalization improves gradient flow through the network; allows higher learning "
    "rates; reduces the strong dependence on initialization; acts as a form of regularization, and "
    "slightly reduces the need for dropout, maybe. At test time it functions differently: a fixed "
    "empirical mean is used, such as a running average."
)


class Net(nn.Module):
    """VGG in small: stages of 3x3 convolutions, each with a pooling behind, and two
    fully-connected layers; `norm` before every activation.

    Attributes:
      features: maps of each stage.
      convolutions: of each stage.
      hidden: units of the first fully-connected layer.
      dropout: its rate.
    """

    norm: Callable | None = None
    dropout: float = 0.0
    features: tuple[int, ...] = (8, 16, 32)
    hidden: int = 32
    convolutions: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> logits [n, 10]."""
        unit = ConvUnit(norm=self.norm)
        for i, maps in enumerate(self.features, start=1):
            for j in range(1, self.convolutions + 1):
                x = unit(x, maps, (3, 3), f"conv{i}_{j}", train=train)
            x = layers.MaxPool((2, 2), (2, 2), name=f"pool{i}")(x)
        x = x.reshape(len(x), -1)
        dense = functools.partial(nn.Dense, kernel_init=initializers.he())
        x = dense(self.hidden, use_bias=self.norm is None, name="fc1")(x)
        if self.norm is not None:
            x = self.norm(name="fc1_norm")(x, use_running_average=not train)
        x = nn.Dropout(self.dropout, deterministic=not train)(nn.relu(x))
        return dense(CLASSES, name="fc2")(x)


BARE, NORMED = "neither", "batch norm"
PAIR = (BARE, NORMED)
NETS = {  # norm and dropout of each
    BARE: (None, 0.0),
    "dropout": (None, DROPOUT),
    NORMED: (layers.BatchNorm, 0.0),
    "both": (layers.BatchNorm, DROPOUT),
}
COLOURS = dict(zip(NETS, (style.TEST, style.PAPER, style.TRAIN, style.RIGHT), strict=True))


class Lab(NamedTuple):
    """Data and nets, each compiled once, when it is first used.

    Attributes:
      train: (seed, rate, gain=1) -> updates, by net.
      test: variables -> (loss, error), by net.
      statistics: (variables, images) -> `batch_stats` of these images, of the net with batch norm.
      data: the training and the test images with their labels.
      steps: updates of a training.
      seeds: trainings of each kind.
    """

    train: dict[str, course.Course]
    test: dict[str, Callable]
    statistics: Callable
    data: tuple[course.Data, course.Data]
    steps: int
    seeds: int


def lab(
    dataset: str,
    image_size: int,
    examples: int,
    convolutions: int,
    steps: int,
    batch_size: int,
    seeds: int,
) -> Lab:
    """Return what the measurements below need; the arguments are those of `run`."""
    train, test = course.images(dataset, image_size, examples)
    nets = {name: Net(*kind, convolutions=convolutions) for name, kind in NETS.items()}
    return Lab(
        train={name: course.trainer(net, train, batch_size) for name, net in nets.items()},
        test={name: course.tester(net, test) for name, net in nets.items()},
        statistics=course.batch_statistics(nets[NORMED]),
        data=(train, test),
        steps=steps,
        seeds=seeds,
    )


def run(
    dataset: str,
    image_size: int,
    examples: int,
    convolutions: int,
    steps: int,
    batch_size: int,
    seeds: int,
) -> Findings:
    """Measure each claim on the same small net with batch norm and without.

    Args:
      dataset: of ten classes.
      image_size: images are resized to it; 8 or more.
      examples: at most so many training images, and test images.
      convolutions: of each of the net's three stages.
      steps: updates of a training.
      batch_size: of a step.
      seeds: trainings of each kind.
    """
    room = lab(dataset, image_size, examples, convolutions, steps, batch_size, seeds)
    flow = {gain: gradients(room, gain) for gain in (SMALL, 1.0)}
    by_rate = losses_by_rate(room)
    by_gain = losses_by_gain(room)
    errors = test_errors(room)
    tests = losses_by_statistics(room)
    rows = [
        *_flow_rows(flow),
        *_end_rows("rate", RATES, by_rate),
        *_end_rows("gain", GAINS, by_gain),
        *(_row("regularization", net, test_error=errors[net]) for net in NETS),
        *(_row("statistics", name, test_loss=found[:, -1]) for name, found in tests.items()),
    ]
    drawn = {"flow": flow, "by_rate": by_rate, "by_gain": by_gain, "tests": tests}
    drawn["steps"] = powers(steps)
    pictures = {"batch_normalization.png": Picture(CAPTION, functools.partial(_draw, **drawn))}
    return Findings(QUESTION, answer(flow, by_rate, by_gain, errors, tests), rows, pictures)


# Measurements: arrays whose first axis is the seed.


def gradients(room: Lab, gain: float) -> dict[str, dict[str, np.ndarray]]:
    """Return, by net and layer, the root mean square gradient of the kernel at the start, [seeds].

    Args:
      room: of `lab`.
      gain: of the kernels, times He's initialization.
    """
    made = {}
    for net in PAIR:
        first = [next(room.train[net](seed, RATE, gain)).gradient for seed in range(room.seeds)]
        made[net] = {layer: np.array([g[layer] for g in first]) for layer in first[0]}
    return made


def losses_by_rate(room: Lab) -> dict[str, np.ndarray]:
    """Return, by net, the training loss at the end for each of RATES, [seeds, rates]."""
    return {net: _ends(room, net, [(rate, 1.0) for rate in RATES]) for net in PAIR}


def losses_by_gain(room: Lab) -> dict[str, np.ndarray]:
    """Return, by net, the training loss at the end for each of GAINS, [seeds, gains]."""
    return {net: _ends(room, net, [(RATE, gain) for gain in GAINS]) for net in PAIR}


def test_errors(room: Lab) -> dict[str, np.ndarray]:
    """Return, by net, the test error after LONGER training at RATE, [seeds]."""
    made = {}
    for net in NETS:
        steps = LONGER * room.steps
        ends = [_last(room.train[net](seed, RATE), steps) for seed in range(room.seeds)]
        made[net] = np.array([room.test[net](end.variables)[1] for end in ends])
    return made


def losses_by_statistics(room: Lab) -> dict[str, np.ndarray]:
    """Return the test loss of the net with batch norm at powers of two of the steps, by what it
    tests with, [seeds, powers]: moving averages; the true average over training batches of the
    same parameters; the statistics of the test images themselves."""
    (images, _), (test_images, _) = room.data
    size = len(images) // STATISTICS_BATCHES
    parts = [images[i * size : (i + 1) * size] for i in range(STATISTICS_BATCHES)]
    made = {"moving average": [], "true average": [], "the test batch's own": []}
    for seed in range(room.seeds):
        found = {name: [] for name in made}
        steps = set(powers(room.steps))
        updates = itertools.islice(room.train[NORMED](seed, RATE), room.steps)
        for step, update in enumerate(updates, start=1):
            if step not in steps:
                continue
            variables = update.variables
            of = functools.partial(room.statistics, variables)
            statistics = {
                "moving average": variables["batch_stats"],
                "true average": recompute(of, parts),
                "the test batch's own": of(test_images),
            }
            for name, value in statistics.items():
                loss, _ = room.test[NORMED]({**variables, "batch_stats": value})
                found[name].append(float(loss))
        for name, values in found.items():
            made[name].append(values)
    return {name: np.array(values) for name, values in made.items()}


def powers(steps: int) -> list[int]:
    """Return the powers of two below `steps`, and `steps`."""
    return [*(2**k for k in range(steps.bit_length()) if 2**k < steps), steps]


def _last(updates, steps: int) -> course.Update:
    return next(itertools.islice(updates, steps - 1, None))


def _ends(room: Lab, net: str, settings: list[tuple[float, float]]) -> np.ndarray:
    losses = [
        [
            [u.loss for u in itertools.islice(room.train[net](seed, rate, gain), room.steps)]
            for rate, gain in settings
        ]
        for seed in range(room.seeds)
    ]
    return course.end_loss(np.array(jax.device_get(losses)))


# What each claim is decided by: a number a seed, above 0 where the claim holds.


def flow_gain(gradient: dict[str, dict[str, np.ndarray]]) -> np.ndarray:
    """Return by how much the layers' gradients spread less with batch norm: the difference of the
    standard deviations, over layers, of their decimal logarithms, [seeds]."""
    bare, normed = (np.log10(np.stack(list(gradient[net].values()))).std(0) for net in PAIR)
    return bare - normed


def rate_gain(by_rate: dict[str, np.ndarray]) -> np.ndarray:
    """Return the binary logarithm of how much higher the largest rate is that trains, [seeds]."""
    bare, normed = (largest_rate(by_rate[net]) for net in PAIR)
    return np.log2(normed / bare)


def largest_rate(ends: np.ndarray) -> np.ndarray:
    """[seeds, rates] -> the largest that brings the loss below half of chance's, [seeds].

    Half the smallest of all where none does.
    """
    trained = ends < CHANCE / 2
    rates = np.where(trained, np.array(RATES), RATES[0] / 2)
    return rates.max(1)


def initialization_gain(by_gain: dict[str, np.ndarray]) -> np.ndarray:
    """Return by how much less the end's loss varies over GAINS: the difference of its standard
    deviations, a loss above chance's counting as chance's, [seeds]."""
    bare, normed = (np.minimum(by_gain[net], CHANCE).std(1) for net in PAIR)
    return bare - normed


def regularization_gain(errors: dict[str, np.ndarray]) -> np.ndarray:
    """Return by how much batch norm lowers the test error, [seeds]."""
    return errors[BARE] - errors[NORMED]


def dropout_gain(errors: dict[str, np.ndarray]) -> np.ndarray:
    """Return by how much less dropout lowers the test error where batch norm is, [seeds]."""
    return (errors[BARE] - errors["dropout"]) - (errors[NORMED] - errors["both"])


def answer(flow: dict, by_rate: dict, by_gain: dict, errors: dict, tests: dict) -> str:
    """Say of each claim what the seeds say."""
    rates = {net: np.exp2(np.log2(largest_rate(by_rate[net])).mean()) for net in PAIR}
    spread = {net: np.minimum(by_gain[net], CHANCE).std(1).mean() for net in PAIR}
    moving, true = tests["moving average"], tests["true average"]
    early = lag(moving, true)
    said = [
        f"gradient flow, kernels a quarter of He's: {_said(flow_gain(flow[SMALL]))} (decades less "
        "of spread over the layers)",
        f"gradient flow, He's initialization: {_said(flow_gain(flow[1.0]))}",
        f"higher learning rates: {_said(rate_gain(by_rate))} (doublings; the largest that trains "
        f"is {rates[NORMED]:.2g} against {rates[BARE]:.2g})",
        f"less dependence on initialization: {_said(initialization_gain(by_gain))} (the end's loss "
        f"varies by {spread[NORMED]:.2f} against {spread[BARE]:.2f} over a "
        f"{GAINS[-1] / GAINS[0]:.0f}-fold range)",
        f"regularization: {_said(100 * regularization_gain(errors))} (points of test error less)",
        f"less need for dropout: {_said(100 * dropout_gain(errors))} (points that dropout gains "
        "less)",
        f"moving averages lag: {_said(early)} (test loss more than with true averages, after "
        f"{LAG} steps), and at the end {_said(moving[:, -1] - true[:, -1])}",
    ]
    n = len(moving)
    return f"{'; '.join(said)}. 95 % intervals over {n} seeds."


def lag(moving: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return how much higher the moving average's test loss is after LAG steps, [seeds]."""
    i = min(LAG.bit_length() - 1, moving.shape[1] - 1)
    return moving[:, i] - true[:, i]


def _said(values: np.ndarray) -> str:
    low, high = interval(values)
    return f"{verdict(low, high)}, {low:.2f} to {high:.2f}"


def _row(part: str, kind: str, **measured: np.ndarray) -> dict[str, Any]:
    row = {"part": part, "net": kind}
    for name, values in measured.items():
        row |= {name: values.mean(), f"{name}_sd": values.std(ddof=1) if len(values) > 1 else 0.0}
    return {**row, "n": len(next(iter(measured.values())))}


def _flow_rows(flow: dict) -> list[dict]:
    return [
        {**_row("gradient", net, log10_gradient=np.log10(values)), "gain": gain, "layer": layer}
        for gain, nets in flow.items()
        for net, by_layer in nets.items()
        for layer, values in by_layer.items()
    ]


def _end_rows(what: str, settings: tuple[float, ...], ends: dict[str, np.ndarray]) -> list[dict]:
    rows = []
    for net, found in ends.items():
        for i, setting in enumerate(settings):
            capped = np.minimum(found[:, i], CHANCE)
            trained = int((found[:, i] < CHANCE / 2).sum())
            rows.append({**_row(what, net, loss=capped), what: setting, "trained": trained})
    return rows


CAPTION = (
    "From the left: the gradient of each layer's kernel at the start, for He's initialization and "
    "a quarter of it; the training loss at the end against the learning rate, and against the size "
    "of the first kernels (losses above chance's are drawn at it; each seed a point); the test "
    "loss of the net with batch norm during training, by the statistics it tests with."
)


def _draw(
    path: pathlib.Path, flow: dict, by_rate: dict, by_gain: dict, tests: dict, steps: list[int]
) -> None:
    with style.figure(path, 2, 2, figsize=(9.6, 6.4)) as (_, ((gradient, rate), (gain, test))):
        for size, nets in flow.items():
            for net, by_layer in nets.items():
                name = f"{_name(net)}, {'He' if size == 1 else 'He / 4'}"
                values = [v.mean() for v in by_layer.values()]
                look = {"color": COLOURS[net], "linestyle": "-" if size == 1 else "--"}
                gradient.plot(list(by_layer), values, "o", markersize=3, label=name, **look)
        gradient.set(title="gradient of the kernels at the start, rms", yscale="log")
        gradient.tick_params("x", rotation=45)
        for axes, settings, ends in ((rate, RATES, by_rate), (gain, GAINS, by_gain)):
            axes.axhline(CHANCE, color=style.PAPER, linewidth=0.8, linestyle=":")
            for net, found in ends.items():
                capped = np.minimum(found, CHANCE)
                axes.plot(settings, capped.mean(0), color=COLOURS[net], label=_name(net))
                for seed in capped:
                    axes.plot(settings, seed, "o", color=COLOURS[net], markersize=2.5, alpha=0.5)
            axes.set(xscale="log", ylabel="training loss at the end")
        rate.set(title="learning rate", xlabel="rate")
        gain.set(title="initialization", xlabel="first kernels, times He's")
        for (name, found), colour in zip(tests.items(), style.CATEGORIES, strict=False):
            test.plot(steps, found.mean(0), "o-", markersize=3, color=colour, label=name)
        test.set(title="statistics in testing", xlabel="step", ylabel="test loss")
        test.set(xscale="log", yscale="log")
        for axes in (gradient, rate, gain, test):
            axes.legend()


def _name(net: str) -> str:
    return "no norm" if net == BARE else net
