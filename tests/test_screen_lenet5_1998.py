"""The screening's own loop is the optimizer of the package."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import optimizers
from tests import screen_lenet5_1998 as screen


def test_a_pass_is_the_rules():
    """Six updates; float32 rounds differently in a loop, by some 1e-7 of a parameter near 1."""
    images = jnp.asarray(np.random.default_rng(0).normal(size=(6, 32, 32, 1)), jnp.float32)
    labels, of = jnp.arange(6), (False, 1.0, 1.0)
    params = screen.drawn(screen.Reading(), 0, images[:1])
    found = screen.estimate(*of, params, images, labels)
    rates = jax.tree.map(lambda h: screen.RATES[0] / (screen.MU + h), found)
    ours = screen.one_pass(*of, params, rates, images, labels, jnp.arange(6))

    rule = optimizers.stochastic_diagonal_lm(screen.RATES[0], screen.MU, every=6)
    state = rule.init(params)

    @jax.jit
    def gradient(params, i):
        def loss(params):
            logits = screen.NETWORK.apply({"params": params}, images[i][None], train=True)
            return screen.loss(*of, logits, labels[i][None])[0]

        return jax.grad(loss)(params)

    for i in range(6):
        grads = gradient(params, i)
        known = functools.partial(screen.estimate, *of, images=images, labels=labels)
        updates, state = rule.update(grads, state, params, curvature_fn=known)
        params = optax.apply_updates(params, updates)
    moved = [
        np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (ours, params)), strict=True)
    ]
    assert max(moved) < 1e-5
