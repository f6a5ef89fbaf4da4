"""LeNet-5 by its paper's rule, under each reading of what the paper leaves open.

    ./launch.sh python -m tests.screen_lenet5_1998 --output=results

Stochastic diagonal Levenberg-Marquardt (LeCun et al. 1998, sec. III-B and appendix C) on the first
12,000 images of MNIST for three passes, one example at a time. The first reading is
`experiments/lenet5_1998_mnist.py:sdlm` with `gamma=1`; the others differ from it in what their
names say. Writes `lenet5_1998_readings.json`, or adds to it what is missing, and prints a Markdown
table. Needs MNIST in $TFDS_DATA_DIR.
"""

import functools
import json
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from cnn_history import datasets, losses, models
from cnn_history.datasets import prepare, scalings
from cnn_history.files import record
from cnn_history.training import curvature, devices

OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON.")
SEEDS = flags.DEFINE_integer("seeds", 2, "Runs of each reading.")
EXAMPLES = flags.DEFINE_integer("examples", 12_000, "Training images, from the first.")
ONLY = flags.DEFINE_multi_string("only", [], "Reading to run; repeat it for more, default all.")

RATES, MU = (0.0005, 0.0005, 0.0002), 0.02  # of each pass (sec. III-B)
DIVERGED = 0.9
POSITIONS = {"c1": 28 * 28, "s2": 14 * 14, "c3": 10 * 10, "s4": 5 * 5, "c5": 1, "f6": 1}


class Reading(NamedTuple):
    """What the paper leaves open, as `:sdlm` with `gamma=1` has it by default.

    Attributes:
      limit: initial weights are from U(-limit(F), limit(F)), F being the unit's inputs.
      inputs_of_subsampling: F of the coefficients in S2 and S4: 4 pixels, or the one sum.
      j: of the loss of eq. 9; None for that of eq. 8.
      loss_factor: what multiplies the loss, and so gradients and second derivatives.
      curvature_factor: what multiplies the second derivatives alone.
      mean_curvature: whether second derivatives are the mean, not the sum, over the connections
        that share a weight.
      mean_gradient: likewise for the gradient.
      gamma: share of a new estimate of second derivatives, the rest being the last pass's.
      fixed: whether the 500 examples of the estimate are the same for each pass.
      standardized: whether inputs have mean 0 and variance 1 instead of values from -0.1 to 1.175.
    """

    limit: Callable = lambda inputs: (3 / inputs) ** 0.5
    inputs_of_subsampling: int = 4
    j: float | None = 1.0
    loss_factor: float = 1.0
    curvature_factor: float = 1.0
    mean_curvature: bool = False
    mean_gradient: bool = False
    gamma: float = 1.0
    fixed: bool = False
    standardized: bool = False


def papers(inputs):
    """Return the limit of appendix A."""
    return 2.4 / inputs


def lush(inputs):
    """Return the limit of the authors' later software, Lush and EBLearn."""
    return inputs**-0.5


READINGS = {
    "h anew for each pass, γ = 1": Reading(),
    "weights from U(±2.4/F)": Reading(limit=papers),
    "weights from U(±1/√F)": Reading(limit=lush),
    "U(±2.4/F), F = 1 for subsampling": Reading(limit=papers, inputs_of_subsampling=1),
    "U(±1/√F), F = 1 for subsampling": Reading(limit=lush, inputs_of_subsampling=1),
    "loss of eq. 8": Reading(j=None),
    "j = 0.1": Reading(j=0.1),
    "j = 10": Reading(j=10.0),
    "j = 100": Reading(j=100.0),
    "half the loss": Reading(loss_factor=0.5),
    "loss / 84, the mean over units": Reading(loss_factor=1 / 84),
    "h times 10": Reading(curvature_factor=10.0),
    "h over 10": Reading(curvature_factor=0.1),
    "h the mean over shared connections": Reading(mean_curvature=True),
    "h and g the means": Reading(mean_curvature=True, mean_gradient=True),
    "h averaged over passes, γ = 0.5": Reading(gamma=0.5),
    "h averaged over passes, γ = 0.1": Reading(gamma=0.1),
    "the same 500 examples": Reading(fixed=True),
    "inputs of mean 0 and variance 1": Reading(standardized=True),
    "U(±1/√F), γ = 0.5": Reading(limit=lush, gamma=0.5),
    "U(±1/√F), j = 10": Reading(limit=lush, j=10.0),
    "U(±1/√F), h times 10": Reading(limit=lush, curvature_factor=10.0),
}


NETWORK = models.create("lenet5_1998")


@functools.cache
def loaded(split: str, standardized: bool) -> tuple[jax.Array, jax.Array]:
    """Return images [n, 32, 32, 1] as the network takes them, and labels [n]."""
    images, labels = datasets.source("mnist", split).arrays()
    values = prepare.Preprocessing(32, "pad", *scalings.lenet_1998(None))(jnp.asarray(images))
    if standardized:
        values = (values - values.mean()) / values.std()
    return values, jnp.asarray(labels)


def drawn(reading: Reading, seed: int, image: jax.Array):
    """Return the first parameters."""

    def init(key, shape, dtype=jnp.float32):
        limit = reading.limit(np.prod(shape[:-1]).item())
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    network = models.create("lenet5_1998", kernel_init=init)
    params = network.init(jax.random.key(seed), image, train=False)["params"]
    wider = reading.limit(reading.inputs_of_subsampling) / reading.limit(4)
    for layer in ("s2", "s4"):
        params[layer]["coefficient"] *= wider
    return params


def shares(params, of_mean: bool):
    """Return for each parameter 1, or one over the number of connections that share it."""
    return {
        layer: jax.tree.map(lambda p, n=n: 1 / n if of_mean else 1.0, params[layer])
        for layer, n in POSITIONS.items()
    }


def loss(eq_8: bool, j, factor, logits, labels):
    """Return the loss of each image, [n]."""
    kind = losses.rbf_mse() if eq_8 else losses.rbf_map(j)
    return factor * kind(logits, labels)


@functools.partial(jax.jit, static_argnums=0)
def estimate(eq_8, j, factor, params, images, labels):
    """Return the second derivatives of the mean loss."""
    of = functools.partial(loss, eq_8, j, factor)
    return curvature.diagonal(NETWORK.apply, of, {"params": params}, images, labels)


@functools.partial(jax.jit, static_argnums=0)
def one_pass(eq_8, j, factor, params, rates, images, labels, order):
    """Return the parameters after an update for each image in `order`."""

    def update(params, i):
        def of_one(params):
            logits = NETWORK.apply({"params": params}, images[i][None], train=True)
            return loss(eq_8, j, factor, logits, labels[i][None])[0]

        grads = jax.grad(of_one)(params)
        return jax.tree.map(lambda p, r, g: p - r * g, params, rates, grads), None

    return jax.lax.scan(update, params, order)[0]


@jax.jit
def outputs(params, images):
    """Return the logits."""
    return NETWORK.apply({"params": params}, images, train=False)


def run(reading: Reading, seed: int, examples: int) -> dict:
    """Train, and return the test error and the rates of the first pass."""
    images, labels = loaded(f"train[:{examples}]", reading.standardized)
    of = reading.j is None, reading.j or 0.0, reading.loss_factor
    params = drawn(reading, seed, images[:1])
    of_h, of_g = shares(params, reading.mean_curvature), shares(params, reading.mean_gradient)
    rng, kept, first = np.random.default_rng(seed), None, None
    for number, rate in enumerate(RATES):
        if number == 0 or not reading.fixed:
            chosen = rng.permutation(examples)[: curvature.EXAMPLES]
        found = estimate(*of, params, images[chosen], labels[chosen])
        found = jax.tree.map(lambda h, n: reading.curvature_factor * n * h, found, of_h)
        share = reading.gamma if number else 1.0
        kept = jax.tree.map(lambda old, new, s=share: (1 - s) * old + s * new, kept or found, found)
        rates = jax.tree.map(lambda h, r=rate: r / (MU + h), kept)
        if first is None:
            first = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(rates)])
        steps = jax.tree.map(jnp.multiply, rates, of_g)
        order = jnp.asarray(rng.permutation(examples))
        params = one_pass(*of, params, steps, images, labels, order)
    tested, right = loaded("test", reading.standardized)
    logits = np.concatenate([outputs(params, part) for part in np.array_split(tested, 20)])
    error = np.mean(np.argmax(logits, -1) != right)
    return {
        "test_error": float(error) if np.isfinite(logits).all() else DIVERGED,
        "smallest_rate": float(first.min()),
        "median_rate": float(np.median(first)),
        "largest_rate": float(first.max()),
    }


def main(argv):
    del argv
    devices.start()
    path = pathlib.Path(OUTPUT.value) / "lenet5_1998_readings.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    found = kept["readings"] if kept.get("examples") == EXAMPLES.value else {}
    for name in ONLY.value or READINGS:
        begun = time.process_time()
        runs = found.setdefault(name, [])
        for seed in range(len(runs), SEEDS.value):
            runs.append(run(READINGS[name], seed, EXAMPLES.value))
        took = time.process_time() - begun
        errors = ", ".join(f"{run['test_error']:.2%}" for run in runs)
        print(f"{name}: {errors}; {took:.0f} s", flush=True)
        record.write_json(
            path,
            {
                "what": "LeNet-5 of 1998 by stochastic diagonal Levenberg-Marquardt: readings",
                "examples": EXAMPLES.value,
                "passes": len(RATES),
                "readings": found,
                "versions": record.versions(),
                "devices": record.devices(),
            },
        )
    print(table(found))


def table(found: dict) -> str:
    """Return the readings as a Markdown table, the lowest mean error first."""
    lines = [
        "| reading | test error, % | rates of the first pass, median (lowest to highest) |",
        "|---|---|---|",
    ]
    for name, runs in sorted(found.items(), key=lambda item: _mean(item[1], "test_error")):
        errors = ", ".join(f"{100 * r['test_error']:.2f}" for r in runs)
        low, middle, high = (_mean(runs, f"{x}_rate") for x in ("smallest", "median", "largest"))
        lines.append(f"| {name} | {errors} | {middle:.2g} ({low:.2g} to {high:.2g}) |")
    return "\n".join(lines)


def _mean(runs, what):
    return float(np.mean([run[what] for run in runs]))


if __name__ == "__main__":
    app.run(main)
