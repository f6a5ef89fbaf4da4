"""Measurements of nets with and without batch norm, and the numbers that decide the claims."""

import functools

import numpy as np

from cnn_history.studies import curves, train
from cnn_history.studies.batch_norm_nets import BARE, CLASSES, NETS, NORMED, PAIR, Setup
from cnn_history.training.statistics import recompute

CHANCE = float(np.log(CLASSES))  # the loss of guessing
RATE = 0.02  # except in the search for the largest rate
RATES = tuple(0.02 * 2.0**k for k in range(9))
GAINS = tuple(2.0**k for k in range(-3, 4))  # times He's initialization
SMALL = 1 / 4  # of He's: too small, like the lecture's small random numbers
STATISTICS_BATCHES = 20
LONGER = 3  # times as many steps for test errors
LAST = 0.2  # the last fraction of the steps; training losses are means over it
LAG = 8  # steps after which moving averages are compared with true ones, a power of two


def gradients(setup: Setup, gain: float) -> dict[str, dict[str, np.ndarray]]:
    """Return the rms gradient of each kernel before training, by net and layer, [seeds].

    Args:
      setup: nets and data.
      gain: size of the kernels, times He's initialization.
    """
    made = {}
    for net in PAIR:
        first = train.observed_by_seed(setup.train[net], setup.seeds, 1, RATE, gain=gain).gradient
        made[net] = {layer: found[:, 0] for layer, found in first.items()}
    return made


def losses_by_rate(setup: Setup) -> dict[str, np.ndarray]:
    """Return, by net, the training loss at the end for each of RATES, [seeds, rates]."""
    return {net: _ends(setup, net, [(rate, 1.0) for rate in RATES]) for net in PAIR}


def losses_by_gain(setup: Setup) -> dict[str, np.ndarray]:
    """Return, by net, the training loss at the end for each of GAINS, [seeds, gains]."""
    return {net: _ends(setup, net, [(RATE, gain) for gain in GAINS]) for net in PAIR}


def test_errors(setup: Setup) -> dict[str, np.ndarray]:
    """Return, by net, the test error after LONGER training at RATE, [seeds]."""
    steps, made = LONGER * setup.steps, {}
    for net in NETS:
        ends = [state for i in range(setup.seeds) for state in _states(setup, net, i, [steps])]
        made[net] = np.array([setup.test[net](train.variables(end))[1] for end in ends])
    return made


def losses_by_statistics(setup: Setup) -> dict[str, np.ndarray]:
    """Return test losses of the net with batch norm, by the statistics used, [seeds, powers].

    The statistics are the moving averages, the true averages over training batches with the same
    parameters, and those of the test images. Losses are measured after 1, 2, 4, ... steps and at
    the end.
    """
    (images, _), (test_images, _) = setup.data
    size = len(images) // STATISTICS_BATCHES
    parts = [images[i * size : (i + 1) * size] for i in range(STATISTICS_BATCHES)]

    def losses(state):
        variables = train.variables(state)
        of = functools.partial(setup.statistics, variables)
        statistics = {
            "moving average": variables["batch_stats"],
            "true average": recompute(of, parts),
            "the test batch's own": of(test_images),
        }
        test = setup.test[NORMED]
        return {
            name: float(test({**variables, "batch_stats": value})[0])
            for name, value in statistics.items()
        }

    steps = powers(setup.steps)
    made = [list(map(losses, _states(setup, NORMED, seed, steps))) for seed in range(setup.seeds)]
    return {name: np.array([[one[name] for one in of] for of in made]) for name in made[0][0]}


def powers(steps: int) -> list[int]:
    """Return the powers of two below `steps`, followed by `steps`."""
    return [*(2**k for k in range(steps.bit_length()) if 2**k < steps), steps]


def _states(setup: Setup, net: str, seed: int, steps: list[int]):
    return train.states(setup.train[net](train.keys(seed), RATE), steps)


def _ends(setup: Setup, net: str, settings: list[tuple[float, float]]) -> np.ndarray:
    see = functools.partial(train.observed_by_seed, setup.train[net], setup.seeds, setup.steps)
    losses = [see(rate, gain=gain).loss for rate, gain in settings]
    return curves.end(np.stack(losses, 1), LAST)


# The functions above return arrays with a first axis for the seeds. Those below turn them into one
# number per seed, above 0 if the claim holds.


def flow_gain(gradient: dict[str, dict[str, np.ndarray]]) -> np.ndarray:
    """Return how many decades less the gradients vary over the layers with batch norm, [seeds].

    This is a difference of standard deviations of log10 gradients.
    """
    bare, normed = (np.log10(np.stack(list(gradient[net].values()))).std(0) for net in PAIR)
    return bare - normed


def scale_gain(flow: dict[float, dict[str, dict[str, np.ndarray]]]) -> np.ndarray:
    """Return how many decades less the gradients depend on the kernels' size with norm, [seeds].

    Ioffe & Szegedy 2015, sec. 1: "reducing the dependence of gradients on the scale of the
    parameters or of their initial values". Compares SMALL kernels with He's, averaged over layers.

    Args:
      flow: the result of `gradients` for the gains SMALL and 1.
    """
    change = {}
    for net in PAIR:
        small, he = (np.log10(np.stack(list(flow[gain][net].values()))) for gain in (SMALL, 1.0))
        change[net] = np.abs(small - he).mean(0)
    return change[BARE] - change[NORMED]


def rate_gain(by_rate: dict[str, np.ndarray]) -> np.ndarray:
    """Return log2 of the largest rate that trains with batch norm over that without, [seeds]."""
    bare, normed = (largest_rate(by_rate[net]) for net in PAIR)
    return np.log2(normed / bare)


def largest_rate(ends: np.ndarray) -> np.ndarray:
    """[seeds, rates] -> the largest rate that trains, [seeds]; half the smallest if none does."""
    return np.where(trained(ends), np.array(RATES), RATES[0] / 2).max(1)


def initialization_gain(by_gain: dict[str, np.ndarray]) -> np.ndarray:
    """Return how many more of GAINS, each twice the one before, train with batch norm, [seeds]."""
    bare, normed = (trained(by_gain[net]).sum(1) for net in PAIR)
    return normed - bare


def trained(ends: np.ndarray) -> np.ndarray:
    """Return whether training brought the loss below half of CHANCE."""
    return ends < CHANCE / 2


def regularization_gain(errors: dict[str, np.ndarray]) -> np.ndarray:
    """Return the amount by which batch norm lowers the test error, [seeds]."""
    return errors[BARE] - errors[NORMED]


def dropout_gain(errors: dict[str, np.ndarray]) -> np.ndarray:
    """Return the gain in test error from dropout without batch norm less that with it, [seeds]."""
    return (errors[BARE] - errors["dropout"]) - (errors[NORMED] - errors["both"])


def lag(moving: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the test loss with moving less that with true averages after LAG steps, [seeds]."""
    i = min(LAG.bit_length() - 1, moving.shape[1] - 1)
    return moving[:, i] - true[:, i]
