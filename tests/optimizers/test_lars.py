"""LARS against its paper's algorithm in NumPy, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import optimizers

RATES = [2.0 * (1 - t / 40) ** 2 for t in range(40)]  # the paper's polynomial decay
BETA = 5e-3


def algorithm(params, grads, decays):
    """You et al. 2017, algorithm 1, layer by layer: the parameters after each step."""
    velocity = {name: np.zeros_like(w) for name, w in params.items()}
    for rate, grad in zip(RATES, grads, strict=True):
        for name, w in params.items():
            g, beta = grad[name], BETA if decays[name] else 0.0
            of_w, of_g = np.sqrt((w**2).sum()), np.sqrt((g**2).sum())
            local = 0.001 * of_w / (of_g + beta * of_w) if of_w and of_g else 1.0
            velocity[name] = 0.9 * velocity[name] + rate * local * (g + beta * w)
            params = {**params, name: w - velocity[name]}
        yield params


@pytest.mark.parametrize("kernels_alone", [False, True])
def test_is_the_papers_algorithm(kernels_alone):
    rng = np.random.default_rng(0)
    params = {"kernel": rng.normal(size=(3, 4)), "scale": rng.normal(size=4), "bias": np.zeros(4)}
    decays = {"kernel": True, "scale": not kernels_alone, "bias": not kernels_alone}
    grads = [{name: rng.normal(size=w.shape) for name, w in params.items()} for _ in RATES]
    grads[7]["kernel"][:] = 0
    with jax.enable_x64(True):
        rule = optimizers.lars(
            lambda step: jnp.asarray(RATES)[step],
            vectors=True,
            weight_decay=BETA,
            decayed=lambda p: decays,
        )
        ours = jax.tree.map(jnp.asarray, params)
        state, update = rule.init(ours), jax.jit(rule.update)
        for grad, theirs in zip(grads, algorithm(params, grads, decays), strict=True):
            updates, state = update(grad, state, ours)
            ours = jax.tree.map(jnp.add, ours, updates)
            for name, w in theirs.items():
                np.testing.assert_allclose(ours[name], w, rtol=1e-12, atol=1e-15, err_msg=name)


def test_vectors_keep_to_the_global_rate():
    params, grads = {"bias": jnp.ones(3)}, {"bias": jnp.full(3, 2.0)}
    rule = optimizers.lars(0.1)
    updates, _ = rule.update(grads, rule.init(params), params)
    np.testing.assert_allclose(updates["bias"], -0.2, rtol=1e-6)
