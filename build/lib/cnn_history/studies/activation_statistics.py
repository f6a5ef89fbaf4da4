"""Activations and gradients of a deep net at its start, layer by layer (lecture, "Weight init").

The lecture's experiment: 1,000 inputs of 500 numbers from N(0, 1), ten layers of 500 units without
biases. Its slides show tanh under W = 0.01 randn, 1.0 randn and randn / sqrt(fan_in); added are
ReLU under the last and under He's, and the way back, for which the slides only give a hint.
"""

import functools
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import initializers
from cnn_history.choices import whole
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import columns

LAYERS, UNITS, INPUTS = 10, 500, 1000
SATURATED = 0.99  # |h| above which a tanh unit counts as saturated
STARTS = {
    "tanh, 0.01 randn": (nn.tanh, initializers.gaussian(0.01)),
    "tanh, 1.0 randn": (nn.tanh, initializers.gaussian(1.0)),
    "tanh, Xavier": (nn.tanh, initializers.xavier()),
    "ReLU, Xavier": (nn.relu, initializers.xavier()),
    "ReLU, He": (nn.relu, initializers.he()),
}
QUESTION = (
    "with W = 0.01 randn all activations become zero; with 1.0 randn almost all neurons are "
    "completely saturated, gradients will be all zero; Xavier initialization is reasonable."
)
BY_LAYER = (
    "Standard deviation of the activations, and root mean square of the gradient to them, in each "
    "of ten layers; lines are means over the seeds, bands reach from the lowest to the highest. "
    "The gradient enters behind layer 10 with 1: from there to layer 1 it shrinks under 0.01 randn "
    "and grows, far from zero, under 1.0 randn."
)
HISTOGRAMS = (
    "The activations of each layer for one seed: tanh of 0.01 randn piles up at 0, of 1.0 randn at "
    "-1 and 1; Xavier keeps tanh spread, He ReLU. ReLU's exact zeros, half of all, are left out."
)
VARIANTS = {"smoke": {"seeds": 2}}


@functools.partial(jax.jit, static_argnums=(0, 1))
def statistics(activation, init: initializers.Initializer, key: jax.Array) -> dict[str, jax.Array]:
    """Return the numbers of every layer, [10] each, and the activations, [10, 1000, 500].

    The gradient that enters behind the last layer is N(0, 1) for every unit and input; `gradient`
    is the root mean square of what reaches a layer's activations, `weight_gradient` that of the
    mean over inputs of the gradient to its weights; `input_gradient`, one number, is that of what
    reaches the inputs.
    """
    images, weights, upstream = jax.random.split(key, 3)
    x = jax.random.normal(images, (INPUTS, UNITS))
    kernels = jax.vmap(lambda k: init(k, (UNITS, UNITS)))(jax.random.split(weights, LAYERS))

    def forward(x, kernels, offsets):
        """Offsets of zero, added to the activations, have the activations' gradients."""

        def layer(h, kernel_offset):
            kernel, offset = kernel_offset
            z = h @ kernel
            h, slope = jax.jvp(activation, (z,), (jnp.ones_like(z),))
            return h + offset, (h + offset, slope.mean())

        return jax.lax.scan(layer, x, (kernels, offsets))

    zeros = jnp.zeros((LAYERS, INPUTS, UNITS))
    _, back, (activations, slope) = jax.vjp(forward, x, kernels, zeros, has_aux=True)
    at_input, at_weights, gradients = back(jax.random.normal(upstream, x.shape))
    values = (1, 2)
    return {
        "mean": activations.mean(values),
        "std": activations.std(values),
        "saturated": (jnp.abs(activations) > SATURATED).mean(values),
        "slope": slope,
        "gradient": jnp.sqrt(jnp.square(gradients).mean(values)),
        "weight_gradient": jnp.sqrt(jnp.square(at_weights / INPUTS).mean(values)),
        "input_gradient": jnp.sqrt(jnp.square(at_input).mean()),
        "activations": activations,
    }


def measure(start: str, seeds: int) -> dict[str, np.ndarray]:
    """Return the numbers of `statistics` for one of STARTS, [seeds, ...] each."""
    made = [statistics(*STARTS[start], jax.random.key(seed)) for seed in range(seeds)]
    names = [name for name in made[0] if name != "activations"]
    return {name: np.array([one[name] for one in made], float) for name in names}


def run(seeds: Annotated[int, whole(2)] = 10) -> Findings:
    """Measure the ten layers forward and backward from each start.

    Args:
      seeds: nets and inputs drawn for each start, at least 2.
    """
    measured = {start: measure(start, seeds) for start in STARTS}
    activations = {
        start: np.asarray(statistics(*chosen, jax.random.key(0))["activations"])
        for start, chosen in STARTS.items()
    }
    rows = [
        _row(start, layer, numbers)
        for start, numbers in measured.items()
        for layer in range(LAYERS)
    ]
    pictures = {"by_layer.png": _by_layer(measured), "histograms.png": _histograms(activations)}
    return Findings(QUESTION, _answer(measured), rows, pictures)


def _row(start: str, layer: int, numbers: dict[str, np.ndarray]) -> dict:
    row = {"start": start, "layer": layer + 1, "n": len(numbers["std"])}
    for name in ("mean", "std", "gradient"):
        row |= columns(name, numbers[name][:, layer])
    for name in ("weight_gradient", "slope", "saturated"):
        row[name] = numbers[name][:, layer].mean()
    return row


def _answer(measured: dict) -> str:
    def last(start):
        return measured[start]["std"][:, -1].mean()

    small, large = measured["tanh, 0.01 randn"], measured["tanh, 1.0 randn"]
    return (
        f"0.01 randn: the tenth layer's standard deviation is {last('tanh, 0.01 randn'):.2g}, "
        f"which prints as 0; the gradient shrinks from 1 to {small['input_gradient'].mean():.2g} "
        f"at the input. 1.0 randn: {100 * large['saturated'].mean():.0f} % of units are saturated, "
        f"yet gradients are not zero: the mean slope of tanh is {large['slope'].mean():.3f}, and "
        f"the gradient grows from 1 to {large['input_gradient'].mean():.2g} at the input. Xavier: "
        f"tanh falls to {last('tanh, Xavier'):.2f}, ReLU to {last('ReLU, Xavier'):.3f}; He keeps "
        f"ReLU at {last('ReLU, He'):.2f}."
    )


@picture(BY_LAYER, 1, 2, figsize=(8.6, 3.4))
def _by_layer(panels, measured: dict) -> None:
    layers = range(1, LAYERS + 1)
    for axes, name in zip(panels, ("std", "gradient"), strict=True):
        for start, numbers in measured.items():
            style.seeds(axes, layers, numbers[name], label=start, marker="o", ms=3)
        axes.set(yscale="log", xlabel="layer", xticks=layers)
    panels[0].set_title("standard deviation of activations")
    panels[1].set_title("root mean square of the gradient to them")
    labels = panels[0].get_legend_handles_labels()
    panels[0].figure.legend(*labels, loc="outside lower center", ncols=5)


@picture(HISTOGRAMS, len(STARTS), LAYERS, figsize=(10.5, 6.25), sharex="row")
def _histograms(grid, made: dict) -> None:
    for i, (line, (start, activations)) in enumerate(zip(grid, made.items(), strict=True)):
        bins = np.linspace(*((-1, 1) if start.startswith("tanh") else (0, 3)), 41)
        for layer, (axes, values) in enumerate(zip(line, activations, strict=True), start=1):
            axes.hist(values[values != 0], bins, color=style.CATEGORIES[i])
            axes.set(yticks=[], xticks=bins[[0, -1]])
            axes.tick_params(labelsize=7)
            axes.grid(False)
            if i == 0:
                axes.set_title(f"layer {layer}", fontsize=8)
        line[0].set_ylabel(start.replace(", ", "\n"), fontsize=8)
