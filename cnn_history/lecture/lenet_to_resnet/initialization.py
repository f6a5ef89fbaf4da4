"""Weight initialization, and the lecture's ten layers of 500 units."""

import ast
import functools

import numpy as np

from cnn_history.lecture.claim import AGREES, BY_STUDY, ERRS, Finding, slide
from cnn_history.studies import activation_statistics, constant_initialization
from cnn_history.studies.interval import interval

SEEDS = 10
FIRST = 64  # C064 is the first of the thirty lines
HALF_A_DIGIT = 5e-7  # the slides print six decimals
SMALL, LARGE, XAVIER = "tanh, 0.01 randn", "tanh, 1.0 randn", "tanh, Xavier"
RELU, HE = "ReLU, Xavier", "ReLU, He"
DATA = "np.random.randn(1000, 500)"  # the slide's code, beside its comment

# The standard deviations that the slides print, layer 1 to 10.
PRINTED = {
    ("randn*0.01", SMALL): (
        "0.213081 0.047551 0.010630 0.002378 0.000532 0.000119 0.000026 0.000006 0.000001 0.000000"
    ),
    ("randn*1.0", LARGE): (
        "0.981879 0.981649 0.981601 0.981755 0.981614 0.981560 0.981520 0.981913 0.981728 0.981736"
    ),
    ("randn/sqrt(fan_in)", XAVIER): (
        "0.627953 0.486051 0.407723 0.357108 0.320917 0.292116 0.273387 0.254935 0.239266 0.228008"
    ),
}


@functools.cache
def measured(start: str) -> dict[str, np.ndarray]:
    """Return the study's statistics of every layer for a start, [seeds, ...] each."""
    return activation_statistics.measure(start, SEEDS)


def ratio(numbers: np.ndarray) -> float:
    """[seeds, layers] -> the geometric mean of the ratios of consecutive layers."""
    first, last = numbers.mean(0)[[0, -1]]
    return (last / first) ** (1 / (numbers.shape[1] - 1))


def way_back(start: str) -> tuple[float, float, np.ndarray]:
    """Return three properties of the backward pass.

    They are the `ratio` of the activations' gradients from one layer to the one before, the
    gradient at the inputs, and the gradients of the weights, [layers].
    """
    numbers = measured(start)
    factor, at_input = ratio(numbers["gradient"][:, ::-1]), numbers["input_gradient"].mean()
    return factor, at_input, numbers["weight_gradient"].mean(0)


def deviation(start: str, layer: int, said: float) -> Finding:
    """A printed standard deviation, compared with ours within four deviations over the seeds."""
    found = measured(start)["std"][:, layer - 1]
    mean, sd = found.mean(), found.std(ddof=1)
    tolerance = 4 * sd + HALF_A_DIGIT
    text = f"{mean:.8f} ± {sd:.2e} (n={len(found)}, tolerance {tolerance:.2e})"
    return Finding(text, abs(said - mean) <= tolerance)


def constant() -> Finding:
    """The number of different units after training from equal weights."""
    rows = constant_initialization.run(steps=20, learning_rate=0.2, seeds=2).rows
    alike = [row for row in rows if row["n"] == 1]
    units = max(row["different_hidden_units"] for row in alike)
    moved = next(row for row in alike if row["start"] == "W = 0")["hidden_weights_moved"]
    apart = min(row["different_hidden_units"] for row in rows if row["n"] > 1)
    return Finding(
        f"{units} different hidden unit of {constant_initialization.HIDDEN} after 20 steps; from "
        f"c = 0, weights moved by {moved:g}; from random weights, {apart} different units",
        units == 1 and moved == 0 and apart == constant_initialization.HIDDEN,
        "All hidden units of a layer stay equal.",
    )


def shrinking() -> Finding:
    """The factor by which activations shrink from one layer to the next."""
    factor = ratio(measured(SMALL)["std"])
    return Finding(f"std shrinks x{factor:.4f} per layer", factor < 0.5)


def dimensions(said: int) -> Finding:
    """The size of an input in the code beside the comment."""
    _, size = (argument.value for argument in ast.parse(DATA, mode="eval").body.args)
    return Finding(
        f"{size}-D",
        said == size == activation_statistics.UNITS,
        f"The code beside the comment, {DATA}, draws inputs of {size} numbers.",
    )


def zero() -> Finding:
    """The standard deviation of the tenth layer, and its printed form."""
    last = measured(SMALL)["std"][:, -1].mean()
    return Finding(
        f"layer 10 std {last:.3e}: prints {last:.6f}",
        f"{last:.6f}" == "0.000000" and last > 0,
        "They print as zero but are not zero.",
    )


def backward() -> Finding:
    """The factor by which the gradient shrinks in the backward pass."""
    factor, at_input, weights = way_back(SMALL)
    return Finding(
        f"dL/dH shrinks x{factor:.4f} per layer to {at_input:.1e} at the input; dL/dW is "
        f"{weights.min():.2e} to {weights.max():.2e}, the same at every layer",
        factor < 0.5 and weights.max() < 1.1 * weights.min(),
    )


def saturated() -> Finding:
    """The share of saturated units."""
    share = measured(LARGE)["saturated"].mean()
    above = activation_statistics.SATURATED
    return Finding(f"{share:.3f} of units have |h| > {above}", share > 0.8)


def gradients() -> Finding:
    """The gradient where most units are saturated."""
    slope, (factor, at_input, weights) = measured(LARGE)["slope"].mean(), way_back(LARGE)
    return Finding(
        f"mean slope {slope:.4f}; dL/dH grows x{factor:.2f} per layer, 1 -> {at_input:.1e} at the "
        f"input; dL/dW {weights[-1]:.2g} (layer 10) -> {weights[0]:.3g} (layer 1)",
        at_input < 1e-6,
        f"Only saturated units have no gradient. The mean slope of tanh is {slope:.3f}, and the "
        f"large weights make the gradient grow {factor:.1f} times per layer, to {at_input:.1e}.",
    )


def xavier() -> Finding:
    """The standard deviations of the first and the last layer."""
    stds = measured(XAVIER)["std"].mean(0)
    return Finding(
        f"std falls {stds[0]:.3f} -> {stds[-1]:.3f} over {len(stds)} layers",
        0.1 < stds[-1] < stds[0] < 1,
        "The slide's 1/fan_in is LeCun's. Glorot & Bengio's 2/(fan_in + fan_out) is equal here.",
    )


def he() -> Finding:
    """ReLU activations in layer 10 relative to layer 1, with He's and with Xavier's weights."""

    def kept(start):
        numbers = measured(start)
        rms = np.sqrt(numbers["std"] ** 2 + numbers["mean"] ** 2)
        return rms[:, -1] / rms[:, 0], numbers["std"].mean(0)

    (held, stds), (lost, xaviers) = kept(HE), kept(RELU)
    low, high = interval(held)
    return Finding(
        f"He keeps the rms: layer 10 over layer 1 is {low:.2f} to {high:.2f} (95 %, n={len(held)}),"
        f" std {stds[0]:.3f} -> {stds[-1]:.3f}; Xavier std {xaviers[0]:.3f} -> {xaviers[-1]:.4f}",
        bool(low <= 1.05 and high >= 0.95 and lost.mean() < 0.1),
    )


LINES = [
    (f"W = {weights}, tanh: layer {i} std {std}", AGREES, deviation, start, i, float(std))
    for (weights, start), stds in PRINTED.items()
    for i, std in enumerate(stds.split(), start=1)
]
CLAIMS = (
    *slide(
        "Weight init",
        ("C061", "Q: what happens when W_ij = c", BY_STUDY, constant),
        ("C062", "0.01*randn works okay for small networks, problems with deeper", AGREES,
         shrinking),
    ),
    *slide(
        "Activation statistics",
        ("C063", "comment: 'unit gaussian 10-D input data'", ERRS, dimensions, 10),
        *[(f"C{i:03}", *line) for i, line in enumerate(LINES, start=FIRST)],
        ("C094", "All activations become zero (0.01)", AGREES, zero),
        ("C095", "backward pass hint: W*X gate, 0.01 case", AGREES, backward),
        ("C096", "*1.0: almost all neurons completely saturated, either -1 and 1", AGREES,
         saturated),
        ("C097", "*1.0: Gradients will be all zero", ERRS, gradients),
        ("C098", "Xavier: reasonable initialization (derivation assumes linear activations)",
         AGREES, xavier),
        ("C099", "(not on these slides) He init with ReLU", BY_STUDY, he),
    ),
)  # fmt: skip
