"""Training by a rule that may try several steps, with a budget of gradients."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history.datasets.order import Order
from cnn_history.studies import digits_net


class Descent(NamedTuple):
    """What a run saw.

    Attributes:
      losses: on all training images, after 0, 1, ... passes, [passes + 1].
      steps: made.
      refused: how many of them did not move, since no step along their direction lowered the loss.
      noise: |g' - g| of two batches at the same parameters over |y|, the change of the gradient
        that the rule sees from step to step, mean over the steps.
      rate: that the rule was given.
    """

    losses: np.ndarray
    steps: int
    refused: int
    noise: float
    rate: float


def trainer(make_rule: Callable, batch_size: int | None) -> Callable[..., Descent]:
    """Return (seed, passes, rate) -> Descent, of the small net on digits.

    It trains until as many gradients were taken as `passes` over the images hold. That of an image
    counts one, in each trial of a line search too.

    Args:
      make_rule: learning rate -> the rule.
      batch_size: of a step; None for all images.
    """
    start, loss, count = digits_net.problem()
    batch = batch_size or count
    whole = jax.jit(functools.partial(loss, chosen=jnp.arange(count)))

    @jax.jit
    def step(rate, w, state, chosen, before):
        rule = optax.with_extra_args_support(make_rule(rate))
        function = functools.partial(loss, chosen=chosen)
        value, grad = jax.value_and_grad(function)(w)
        updates, state = rule.update(grad, state, w, value=value, grad=grad, value_fn=function)
        trials = optax.tree.get(state, "num_linesearch_steps", jnp.zeros((), int))
        moved = optax.tree.norm(updates) > 0
        # What a rule takes for curvature is partly that this batch is another one.
        old_batch, old_gradient = before
        other = jnp.linalg.norm(jax.grad(loss)(w, old_batch) - grad)
        noise = other / jnp.linalg.norm(grad - old_gradient)
        return w + updates, state, (chosen, grad), (1 + trials, moved, noise)

    def train(seed: int, passes: int, rate: float = 1.0) -> Descent:
        w, order = start(seed), Order(jax.random.key(seed), count)
        state, losses, seen = make_rule(rate).init(w), [float(whole(w))], []
        chosen = jnp.asarray(order(0, batch)[0])
        before = chosen, jnp.zeros_like(w)
        spent = 0
        while spent < passes * count:
            chosen, _ = order(len(seen) * batch, (len(seen) + 1) * batch)
            w, state, before, here = step(rate, w, state, jnp.asarray(chosen), before)
            seen.append(jax.device_get(here))
            spent += int(here[0]) * batch
            while len(losses) <= min(spent // count, passes):
                losses.append(float(whole(w)))
        _, moved, noise = map(np.array, zip(*seen, strict=True))
        refused, noise = int((~moved).sum()), float(noise[1:].mean())
        return Descent(np.array(losses), len(seen), refused, noise, rate)

    return train
