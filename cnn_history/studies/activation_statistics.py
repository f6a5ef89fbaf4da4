"""Activations and gradients of a deep net before training, by layer (lecture, "Weight init").

The lecture's experiment: 1,000 inputs of 500 numbers from N(0, 1), ten layers of 500 units without
biases. Its slides show tanh with W = 0.01 randn, 1.0 randn and randn / sqrt(fan_in). This study
adds ReLU with the last of them and with He's initialization, and the backward pass, for which the
slides give only a hint.
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
    "Standard deviation of the activations and root mean square of their gradient, in each of ten "
    "layers. Lines are means over the seeds, bands their range. The gradient is 1 after layer 10. "
    "On its way back to layer 1 it shrinks with 0.01 randn and grows with 1.0 randn."
)
HISTOGRAMS = (
    "The activations of each layer for one seed. With 0.01 randn, tanh units collect at 0; with "
    "1.0 randn, at -1 and 1. Xavier keeps tanh units spread out, and He ReLU units. The exact "
    "zeros of ReLU, half of its values, are not drawn."
)
VARIANTS = {"smoke": {"seeds": 2}}


@functools.partial(jax.jit, static_argnums=(0, 1))
def statistics(activation, init: initializers.Initializer, key: jax.Array) -> dict[str, jax.Array]:
    """Return the statistics of every layer, [10] each, and the activations, [10, 1000, 500].

    The gradient after the last layer is drawn from N(0, 1) for every unit and input. `gradient` is
    the root mean square of the gradient of a layer's activations, `weight_gradient` that of its
    weights, averaged over the inputs, and `input_gradient`, one number, that of the inputs.
    """
    images, weights, upstream = jax.random.split(key, 3)
    x = jax.random.normal(images, (INPUTS, UNITS))
    kernels = jax.vmap(lambda k: init(k, (UNITS, UNITS)))(jax.random.split(weights, LAYERS))

    def forward(x, kernels, offsets):
        """The zero `offsets` added to the activations have the same gradients as these."""

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
    """Return `statistics` for one of STARTS without the activations, [seeds, ...] each."""
    made = [statistics(*STARTS[start], jax.random.key(seed)) for seed in range(seeds)]
    names = [name for name in made[0] if name != "activations"]
    return {name: np.array([one[name] for one in made], float) for name in names}


def run(seeds: Annotated[int, whole(2)] = 10) -> Findings:
    """Measure the ten layers forward and backward with each initialization.

    Args:
      seeds: nets and inputs drawn for each initialization, at least 2.
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
        f"0.01 randn: the standard deviation of layer 10 is {last('tanh, 0.01 randn'):.2g}, which "
        f"prints as 0. The gradient shrinks from 1 to {small['input_gradient'].mean():.2g} at the "
        f"input. 1.0 randn: {100 * large['saturated'].mean():.0f} % of the units are saturated, "
        f"but gradients are not zero. The mean slope of tanh is {large['slope'].mean():.3f}, and "
        f"the gradient grows from 1 to {large['input_gradient'].mean():.2g} at the input. Xavier: "
        f"the standard deviation of layer 10 is {last('tanh, Xavier'):.2f} for tanh and "
        f"{last('ReLU, Xavier'):.3f} for ReLU. He's initialization keeps ReLU at "
        f"{last('ReLU, He'):.2f}."
    )


@picture(BY_LAYER, 1, 2, figsize=(8.6, 3.4))
def _by_layer(panels, measured: dict) -> None:
    layers = range(1, LAYERS + 1)
    for axes, name in zip(panels, ("std", "gradient"), strict=True):
        for start, numbers in measured.items():
            style.seeds(axes, layers, numbers[name], label=start, marker="o", ms=3)
        axes.set(yscale="log", xlabel="layer", xticks=layers)
    panels[0].set_title("standard deviation of activations")
    panels[1].set_title("root mean square of their gradient")
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
