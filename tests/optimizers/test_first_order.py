import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import optimizers, schedules

STEPS = 200


def gradients(rng):
    """Return gradients of all sizes, zeros too."""
    sizes = 10.0 ** rng.integers(-8, 8, (STEPS, 7))
    return rng.normal(size=(STEPS, 7)) * sizes * (rng.random((STEPS, 7)) > 0.2)


def sgd(rates, grads):
    return -np.cumsum(rates[:, None] * grads, 0)


def momentum(rates, grads):
    velocity, w, path = 0, 0, []
    for rate, g in zip(rates, grads, strict=True):
        velocity = 0.9 * velocity - rate * g
        w = w + velocity
        path.append(w)
    return np.array(path)


@pytest.mark.parametrize("rule", [sgd, momentum])
def test_trajectory_is_the_formula(rule):
    grads = gradients(np.random.default_rng(0))
    schedule = schedules.step_decay(0.1, 0.5, 50)
    rates = 0.1 * 0.5 ** (np.arange(STEPS) // 50)
    with jax.enable_x64(True):
        optimizer = optimizers.OPTIMIZERS[rule.__name__](schedule)
        w = jnp.zeros(7, jnp.float64)
        state, path = optimizer.init(w), []
        for i, g in enumerate(grads):
            updates, state = optimizer.update(jnp.asarray(g), state, w)
            w = w + updates
            path.append(np.asarray(w))
            assert float(optimizers.applied_rate(state)) == pytest.approx(rates[i], rel=1e-6)
    wanted = rule(rates, grads)
    # The rate is a float32: 6e-8 of each term, here of the largest.
    np.testing.assert_allclose(path, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())


def test_a_drop_of_the_rate_leaves_the_velocity():
    optimizer = optimizers.momentum(schedules.piecewise(1.0, {1: 0.1}))
    w = jnp.zeros(())
    state = optimizer.init(w)
    first, state = optimizer.update(jnp.ones(()), state, w)
    second, _ = optimizer.update(jnp.zeros(()), state, w)
    assert float(first) == -1
    assert float(second) == pytest.approx(-0.9)  # -0.09 where the rate is outside the velocity
