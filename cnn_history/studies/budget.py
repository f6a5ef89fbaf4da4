"""Training with a fixed budget of gradients, for rules that may take several per step."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import optax

from cnn_history.studies import train
from cnn_history.studies.data import digits
from cnn_history.studies.digits_net import Net


class Descent(NamedTuple):
    """The record of a run.

    Attributes:
      losses: loss on all training images after 0, 1, ... passes, [passes + 1].
      steps: number of steps.
      refused: number of steps that did not move, because none along their direction lowered the
        loss.
      noise: |g' - g| / |y|, averaged over the steps: the difference of two batches' gradients at
        the same parameters over the change of the gradient from one step to the next.
      rate: the rule's learning rate.
    """

    losses: np.ndarray
    steps: int
    refused: int
    noise: float
    rate: float


def descender(rule: train.Rule, batch_size: int | None) -> Callable[..., Descent]:
    """Return (seed, passes, rate=1) -> Descent, for the small net on digits.

    A run ends when it has taken as many gradients of single images as there are in `passes` over
    the data. Each trial of a line search counts.

    Args:
      rule: learning rate -> optimizer.
      batch_size: images per step; None for all images.
    """
    network, (images, labels) = Net(), digits()
    count = len(images)
    batch = batch_size or count

    def loss(params, images, labels):
        return train.mean_cross_entropy(network.apply({"params": params}, images), labels)

    @jax.jit
    def compare(update, last):
        params, gradient = update.seen
        way = optax.tree.sub(update.state.params, params)
        other = jax.grad(loss)(params, images[last.chosen], labels[last.chosen])
        noise = optax.tree.norm(optax.tree.sub(other, gradient))
        change = optax.tree.norm(optax.tree.sub(gradient, last.seen[1]))
        return optax.tree.norm(way) > 0, noise / change

    whole = jax.jit(lambda params: loss(params, images, labels))
    updates_of = train.trainer(
        network, rule, (images, labels), batch, observe=lambda step: (step.params, step.gradient)
    )

    def descend(seed: int, passes: int, rate: float = 1.0) -> Descent:
        key = jax.random.key(seed)
        losses, compared, spent, last = [], [], 0, None
        for update in updates_of((key, key, key), rate):
            losses = losses or [float(whole(update.seen[0]))]
            compared.append(jax.device_get(compare(update, last or update)))
            spent += (1 + int(train.trials(update.state))) * batch
            last = update
            while len(losses) <= min(spent // count, passes):
                losses.append(float(whole(update.state.params)))
            if spent >= passes * count:
                break
        moved, noise = map(np.array, zip(*compared, strict=True))
        refused, noise = int((~moved).sum()), float(noise[1:].mean())
        return Descent(np.array(losses), len(compared), refused, noise, rate)

    return descend
