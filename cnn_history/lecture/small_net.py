"""A small net on the embedded digits, on which rules and rates are tried in seconds."""

import functools

import flax.linen as nn
import jax
import numpy as np
import optax

from cnn_history import initializers
from cnn_history.lecture.once import once
from cnn_history.studies import fit

HIDDEN, CLASSES = 32, 10


class Net(nn.Module):
    """One hidden layer of tanh units."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, 10]."""
        dense = functools.partial(nn.Dense, kernel_init=initializers.xavier())
        return dense(CLASSES)(nn.tanh(dense(HIDDEN)(x.reshape(len(x), -1))))


@once
def data() -> fit.Data:
    """Return the images, [n, 8, 8, 1], and labels that are learned."""
    return fit.images("digits", 8)


def losses(
    rule: optax.GradientTransformation, steps: int, seeds: int, batch: int | None = None
) -> np.ndarray:
    """Return the loss on all the images before each update and after the last, [seeds, steps + 1].

    Args:
      rule: updates the parameters.
      steps: updates.
      seeds: nets, and draws of batches.
      batch: images of a step, drawn at random; None for all.
    """
    net, (images, labels) = Net(), data()
    rule = optax.with_extra_args_support(rule)

    def loss(params, chosen=slice(None)):
        return fit.mean_cross_entropy(net.apply(params, images[chosen]), labels[chosen])

    def step(carry, key):
        params, state = carry
        chosen = slice(None)
        if batch is not None:
            chosen = jax.random.randint(key, (batch,), 0, len(images))
        value_fn = functools.partial(loss, chosen=chosen)
        value, grad = jax.value_and_grad(value_fn)(params)
        updates, state = rule.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        return (optax.apply_updates(params, updates), state), loss(params)

    @jax.jit
    def train(key):
        params = net.init(key, images[:1])
        keys = jax.random.split(jax.random.fold_in(key, 1), steps + 1)
        _, seen = jax.lax.scan(step, (params, rule.init(params)), keys)
        return seen

    return np.stack([np.asarray(train(jax.random.key(seed)), float) for seed in range(seeds)])
