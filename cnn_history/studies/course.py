"""The course of a training at any rate and from kernels of any size, with one compilation."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import datasets, layers
from cnn_history.datasets.order import Order
from cnn_history.errors import field
from cnn_history.studies.fit import Data, in_training, less_mean_image, mean_cross_entropy

CLASSES = 10  # that the networks tell apart
DECAY = 0.9  # of the momentum


class Update(NamedTuple):
    """What is known of an update, on the device.

    Attributes:
      loss: of its batch, before it.
      gradient: root mean square of each kernel's, by the layer's name.
      variables: of the network, after it.
    """

    loss: jax.Array
    gradient: dict[str, jax.Array]
    variables: Any


Course = Callable[..., Iterator[Update]]


def images(dataset: str, size: int, examples: int) -> tuple[Data, Data]:
    """Return the first `examples` of the training and of the test images, [n, size, size, c], and
    labels; fewer where there are no more. The training images' mean is taken off both.

    Raises UserError where there is no such data set, or it has not CLASSES classes.
    """
    with field("dataset"):
        sources = [datasets.source(dataset, split) for split in ("train", "test")]
        if (count := len(sources[0].classes)) != CLASSES:
            raise ValueError(f"'{dataset}' has {count} classes; this takes one of {CLASSES}.")
    splits = [[part[:examples] for part in source.arrays()] for source in sources]
    scale = less_mean_image(splits[0][0], size)
    return tuple((scale(jnp.asarray(pixels)), jnp.asarray(labels)) for pixels, labels in splits)


def trainer(network: nn.Module, data: Data, batch_size: int) -> Course:
    """Return (seed, rate, gain=1) -> updates without end, by momentum at a constant rate.

    The seed draws the weights, the order of the images and dropout; kernels start `gain` times as
    large as the network draws them.
    """
    images, labels = data

    @jax.jit
    def begin(key, gain):
        variables = dict(network.init(key, images[:1], train=False))
        scale = lambda p: gain * p if p.ndim > 1 else p  # noqa: E731
        return {**variables, "params": jax.tree.map(scale, variables["params"])}

    @jax.jit
    def step(variables, velocity, chosen, key, rate):
        rest = {name: value for name, value in variables.items() if name != "params"}

        def loss(params):
            logits, updated = in_training(network, params, rest, images[chosen], key)
            return mean_cross_entropy(logits, labels[chosen]), updated

        (value, rest), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        velocity = jax.tree.map(lambda v, g: DECAY * v - rate * g, velocity, gradient)
        params = jax.tree.map(jnp.add, variables["params"], velocity)
        return Update(value, kernels_rms(gradient), {"params": params, **rest}), velocity

    def course(seed: int, rate: float, gain: float = 1.0) -> Iterator[Update]:
        start_key, order_key, dropout_key = jax.random.split(jax.random.key(seed), 3)
        variables = begin(start_key, gain)
        velocity = jax.tree.map(jnp.zeros_like, variables["params"])
        order, i = Order(order_key, len(images)), 0
        while True:
            chosen, _ = order(i * batch_size, (i + 1) * batch_size)
            key = jax.random.fold_in(dropout_key, i)
            update, velocity = step(variables, velocity, chosen, key, rate)
            variables, i = update.variables, i + 1
            yield update

    return course


def tester(network: nn.Module, data: Data) -> Callable[[Any], tuple[jax.Array, jax.Array]]:
    """Return variables -> (loss, error) on all of `data`, with running statistics."""
    images, labels = data

    @jax.jit
    def test(variables):
        logits = network.apply(variables, images, train=False)
        error = jnp.mean(jnp.argmax(logits, -1) != labels)
        return mean_cross_entropy(logits, labels), error

    return test


def batch_statistics(network: nn.Module) -> Callable[[Any, jax.Array], Any]:
    """Return (variables, images) -> `batch_stats` of these images alone."""
    network = network.clone(norm=layers.of_last_batch(network.norm))

    @jax.jit
    def of(variables, images):
        _, updated = network.apply(
            variables,
            images,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )
        return updated["batch_stats"]

    return of


def kernels_rms(gradient: Any) -> dict[str, jax.Array]:
    """Return the root mean square of each kernel's gradient, by the layer's name."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name.endswith("/kernel"):
            found[name.removesuffix("/kernel")] = jnp.sqrt(jnp.mean(jnp.square(leaf)))
    return found


def end_loss(losses: np.ndarray, share: float = 0.2) -> np.ndarray:
    """[..., steps] -> the mean over the last share of the steps; infinite where one diverged."""
    last = losses[..., -max(1, round(share * losses.shape[-1])) :].astype(np.float64).mean(-1)
    return np.where(np.isfinite(last), last, np.inf)
