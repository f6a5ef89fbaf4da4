"""Training inside a study: data in memory, no work directory, one compilation for all seeds."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import datasets
from cnn_history.datasets import prepare, scalings, statistics
from cnn_history.datasets.order import Order
from cnn_history.errors import field

Data = tuple[jax.Array, jax.Array]


class Seen(NamedTuple):
    """What is known of a step, or of several.

    Attributes:
      loss: cross-entropy of the main classifier on the step's batch, before the update.
      probe: of the gradient.
    """

    loss: Any
    probe: Any


Train = Callable[..., Seen]
Fit = Callable[..., tuple[dict, Seen]]


def mean_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """[n, classes], int [n] -> the mean over the images."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def images(dataset: str, size: int, examples: int | None = None) -> Data:
    """Return the first training images, less their mean image, and labels.

    Args:
      dataset: a name of `datasets`.
      size: the images are resized to [n, size, size, c].
      examples: how many; None for all.

    Raises UserError where there is no such data set.
    """
    with field("dataset"):
        pixels, labels = datasets.source(dataset, "train").arrays()
    pixels, labels = pixels[:examples], labels[:examples]
    scale = less_mean_image(pixels, size)
    return scale(jnp.asarray(pixels)), jnp.asarray(labels)


def less_mean_image(pixels: np.ndarray, size: int) -> prepare.Preprocessing:
    """Return uint8 images -> values in [0, 1], [n, size, size, c], less the mean of `pixels`."""
    return scalings.per_pixel_mean(lambda: statistics.of((pixels,), size, "resize"), size, "resize")


def in_training(
    network: nn.Module, params: Any, rest: dict, images: jax.Array, key: jax.Array
) -> tuple[Any, dict]:
    """Return what a network makes of images while it trains, and its other collections after it.

    Args:
      network: `apply(variables, images, train=)`.
      params: its parameters.
      rest: its other collections, such as `batch_stats`.
      images: [n, h, w, c].
      key: of dropout.
    """
    variables = {"params": params, **rest}
    return network.apply(variables, images, train=True, rngs={"dropout": key}, mutable=list(rest))


def trainer(*arguments, **options) -> Train:
    """Return what `fitter` does, of which only `Seen` is kept; arguments are its."""
    fit = fitter(*arguments, **options)
    return lambda *arguments, **options: fit(*arguments, **options)[1]


def fitter(
    network: nn.Module,
    rule: optax.GradientTransformation,
    data: Data,
    batch_size: int,
    probe: Callable[[Any], Any] = lambda gradient: (),
) -> Fit:
    """Return (seed, steps, aux_weight=0) -> (variables, what each step saw: arrays [steps, ...]).

    The seed draws the weights, the order of the images, and dropout. `aux_weight` is that of the
    loss of each auxiliary classifier beside the main one's; with 0 there could as well be none.

    Args:
      network: `apply(variables, images, train=)`.
      rule: updates the parameters.
      data: images [n, h, w, c] and labels [n].
      batch_size: of a step.
      probe: the gradient of the parameters -> what is to be known of it at every step.
    """
    images, labels = data
    start = jax.jit(lambda key: network.init(key, images[:1], train=False))

    def objective(out, labels, aux_weight):
        logits, heads = out if isinstance(out, tuple) else (out, ())
        main = mean_cross_entropy(logits, labels)
        return main + aux_weight * sum(mean_cross_entropy(head, labels) for head in heads), main

    @jax.jit
    def step(variables, state, chosen, key, aux_weight):
        rest = {name: value for name, value in variables.items() if name != "params"}

        def loss(params):
            out, updated = in_training(network, params, rest, images[chosen], key)
            value, main = objective(out, labels[chosen], aux_weight)
            return value, (main, updated)

        gradient, (main, rest) = jax.grad(loss, has_aux=True)(variables["params"])
        updates, state = rule.update(gradient, state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return {"params": params, **rest}, state, Seen(main, probe(gradient))

    def train(seed: int, steps: int, aux_weight: float = 0.0) -> tuple[dict, Seen]:
        start_key, order_key, dropout_key = jax.random.split(jax.random.key(seed), 3)
        variables = start(start_key)
        state = rule.init(variables["params"])
        order, seen = Order(order_key, len(images)), []
        for i in range(steps):
            chosen, _ = order(i * batch_size, (i + 1) * batch_size)
            key = jax.random.fold_in(dropout_key, i)
            variables, state, here = step(variables, state, chosen, key, aux_weight)
            seen.append(here)
        return variables, jax.tree.map(lambda *x: np.stack(x), *jax.device_get(seen))

    return train
