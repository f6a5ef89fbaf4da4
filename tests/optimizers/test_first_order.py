"""Each rule against its slide in NumPy, and against PyTorch, over gradients of all sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import optimizers, schedules

STEPS, EPS = 200, 1e-7


def gradients():
    """Return gradients from 1e-8 to 1e8, a fifth of them zeros, [steps, parameters]."""
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-8, 9, (STEPS, 7))
    return rng.normal(size=(STEPS, 7)) * sizes * (rng.random((STEPS, 7)) > 0.2)


# The slides, in float64: (rates, gradients) -> what is added to the parameters at each step.


def sgd(rates, grads):
    return [-rate * g for rate, g in zip(rates, grads, strict=True)]


def momentum(rates, grads):
    v = np.zeros(7)
    for rate, g in zip(rates, grads, strict=True):
        v = 0.9 * v - rate * g
        yield v


def nesterov(rates, grads):
    v = np.zeros(7)
    for rate, g in zip(rates, grads, strict=True):
        old, v = v, 0.9 * v - rate * g
        yield v + 0.9 * (v - old)


def adagrad(rates, grads):
    s = np.zeros(7)
    for rate, g in zip(rates, grads, strict=True):
        s = s + g * g
        yield -rate * g / (np.sqrt(s) + EPS)


def rmsprop(rates, grads):
    s = np.zeros(7)
    for rate, g in zip(rates, grads, strict=True):
        s = 0.9 * s + (1 - 0.9) * g * g
        yield -rate * g / (np.sqrt(s) + EPS)


def adam_uncorrected(rates, grads):
    m, v = np.zeros(7), np.zeros(7)
    for rate, g in zip(rates, grads, strict=True):
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g * g
        yield -rate * m / (np.sqrt(v) + EPS)


def adam(rates, grads):
    m, v = np.zeros(7), np.zeros(7)
    for t, (rate, g) in enumerate(zip(rates, grads, strict=True), 1):
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g * g
        yield -rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + EPS)


SLIDES = [sgd, momentum, nesterov, adagrad, rmsprop, adam_uncorrected, adam]
TORCH = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"eps": EPS}),
    "rmsprop": ("RMSprop", {"alpha": 0.9, "eps": EPS}),
    "adam": ("Adam", {"eps": EPS}),
}


def ours(name, rate, grads):
    """Return the updates and the rates that the state tells, in float64."""
    with jax.enable_x64(True):
        rule = optimizers.OPTIMIZERS[name](rate)
        params = jnp.zeros(7, jnp.float64)

        def step(state, gradient):
            update, state = rule.update(gradient, state, params)
            return state, (update, optimizers.applied_rate(state))

        _, (updates, rates) = jax.lax.scan(step, rule.init(params), jnp.asarray(grads))
        return np.asarray(updates), np.asarray(rates)


def in_torch(name, rate, grads):
    """Return the updates of PyTorch's rule, in float64: each starts from parameters of 0."""
    torch = pytest.importorskip("torch")
    kind, options = TORCH[name]
    params = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    rule, updates = getattr(torch.optim, kind)([params], lr=rate, **options), []
    for gradient in grads:
        with torch.no_grad():
            params.zero_()
        params.grad = torch.tensor(gradient)
        rule.step()
        updates.append(params.detach().numpy().copy())
    return np.array(updates)


def difference(made, wanted):
    """Return the largest difference, relative to the largest update of the same parameter so far.

    A velocity may cancel to any small number; what is added to it is not small.
    """
    scale = np.maximum.accumulate(np.abs(wanted), 0)
    return np.max(np.abs(made - wanted) / np.where(scale > 0, scale, 1))


@pytest.mark.parametrize("slide", SLIDES, ids=lambda slide: slide.__name__)
def test_trajectory_is_the_slides(slide):
    grads = gradients()
    schedule = schedules.step_decay(0.1, 0.5, 50)
    rates = 0.1 * 0.5 ** (np.arange(STEPS) // 50)
    updates, told = ours(slide.__name__, schedule, grads)
    np.testing.assert_allclose(told, rates, rtol=1e-6)  # the schedule's arithmetic is float32
    assert difference(updates, np.array(list(slide(told, grads)))) < 1e-13


@pytest.mark.parametrize("name", TORCH)
def test_trajectory_is_that_of_pytorch(name):
    grads = gradients()
    updates, _ = ours(name, 0.1, grads)
    assert difference(updates, in_torch(name, 0.1, grads)) < 1e-13


def test_a_drop_of_the_rate_leaves_the_velocity():
    optimizer = optimizers.momentum(schedules.piecewise(1.0, {1: 0.1}))
    w = jnp.zeros(())
    state = optimizer.init(w)
    first, state = optimizer.update(jnp.ones(()), state, w)
    second, _ = optimizer.update(jnp.zeros(()), state, w)
    assert float(first) == -1
    assert float(second) == pytest.approx(-0.9)  # -0.09 where the rate is outside the velocity


def main():
    """Print the largest differences: `python -m tests.optimizers.test_first_order`."""
    grads = gradients()
    for slide in SLIDES:
        name = slide.__name__
        updates, told = ours(name, 0.1, grads)
        numpy = difference(updates, np.array(list(slide(told, grads))))
        torch = difference(updates, in_torch(name, 0.1, grads)) if name in TORCH else np.nan
        print(f"{name:18} numpy {numpy:.1e}  torch {torch:.1e}")


if __name__ == "__main__":
    main()
