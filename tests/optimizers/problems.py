"""Small functions to minimize, and a loop that does it, for the second-order rules."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import special
from sklearn import datasets as toy

CLASSES, EXAMPLES, DECAY = 3, 150, 0.01


def rosenbrock(w):
    """[2] -> scalar; minimum 0 at (1, 1), and the usual start (-1.2, 1)."""
    return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2


def quadratic(n, seed=0, condition=100.0):
    """Return A [n, n], positive definite, and b [n], of a `bowl`."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return q * np.geomspace(1 / condition, 1, n) @ q.T, rng.normal(size=n)


def bowl(a, b, w):
    """w·A w / 2 - b·w."""
    return w @ a @ w / 2 - b @ w


@functools.cache
def digits():
    """Return pixels [150, 64] in [0, 1] and labels of the digits 0, 1, 2."""
    images, labels = toy.load_digits(return_X_y=True)
    chosen = labels < CLASSES
    return images[chosen][:EXAMPLES] / 16, labels[chosen][:EXAMPLES]


def logistic(w):
    """Softmax regression with L2, [64, 3] -> scalar; strictly convex."""
    pixels, labels = digits()
    logits = jnp.asarray(pixels, w.dtype) @ w
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean() + DECAY / 2 * jnp.sum(w**2)


def probabilities(w):
    """Return log-probabilities [150, 3], and what the gradient sees: p less the labels."""
    pixels, labels = digits()
    logs = special.log_softmax(pixels @ w.reshape(64, CLASSES), 1)
    return logs, np.exp(logs) - np.eye(CLASSES)[labels]


def logistic_gradient(w):
    """Return value and gradient [192] of `logistic`, by their formulas."""
    pixels, labels = digits()
    logs, difference = probabilities(w)
    value = -logs[np.arange(EXAMPLES), labels].mean() + DECAY / 2 * (w**2).sum()
    return value, (pixels.T @ difference / EXAMPLES).ravel() + DECAY * w


def logistic_hessian(w):
    """Return the Hessian [192, 192] of `logistic`, by its formula."""
    pixels, _ = digits()
    p = np.exp(probabilities(w)[0])
    blocks = [
        [pixels.T * (p[:, k] * ((k == m) - p[:, m])) @ pixels for m in range(CLASSES)]
        for k in range(CLASSES)
    ]  # [class, class, pixel, pixel]
    whole = np.transpose(blocks, (2, 0, 3, 1)).reshape(w.size, w.size) / EXAMPLES
    return whole + DECAY * np.eye(w.size)


def path(rule, function, start, steps):
    """Return the parameters [steps + 1, ...] that a rule goes through, and the last state.

    Both as NumPy arrays, which keep float64 where jax has it off again.
    """

    @jax.jit
    def step(w, state):
        value, grad = jax.value_and_grad(function)(w)
        updates, state = rule.update(grad, state, w, value=value, grad=grad, value_fn=function)
        return optax.apply_updates(w, updates), state

    w, state, seen = start, rule.init(start), [start]
    for _ in range(steps):
        w, state = step(w, state)
        seen.append(w)
    return np.stack(jax.device_get(seen)), jax.device_get(state)
