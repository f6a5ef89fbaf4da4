"""The range of the linear and the quadratic model of a loss (lecture, "Second order")."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.studies import digits_net

LENGTHS = np.geomspace(1e-3, 1e2, 251)  # lengths of a gradient step, as learning rates
RIGHT = 0.1  # a model holds up to this relative error of the predicted change
TRAINED = {"at the start": 0, "after 100 steps": 100}  # steps of gradient descent on all images
RATE = 0.5


def changes(loss, w: jax.Array, direction: jax.Array, lengths: jax.Array) -> jax.Array:
    """Return the change of the loss along a direction, true and by both models, [3, lengths].

    For a length t and the direction d: f(w + t d) - f(w), t g·d, and t g·d + t² d·H d / 2.
    """
    value = loss(w)

    def slope(w):
        return jax.jvp(loss, (w,), (direction,))[1]

    first, second = jax.jvp(slope, (w,), (direction,))
    true = jax.lax.map(lambda t: loss(w + t * direction) - value, lengths)
    return jnp.stack([true, first * lengths, first * lengths + second * lengths**2 / 2])


def reach(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the length up to which the relative error of a model stays within RIGHT."""
    wrong = np.abs(predicted - true) > RIGHT * np.abs(true)
    return float(LENGTHS[max(0, wrong.argmax() - 1)] if wrong.any() else LENGTHS[-1])


def along_gradient(seeds: int) -> list[dict[str, np.ndarray]]:
    """Return `changes` along the negative gradient of all images, per seed and point of TRAINED."""
    with jax.enable_x64(True):  # float32 would lose the small change of a small step
        start, loss, count = digits_net.problem()
        whole = functools.partial(loss, chosen=jnp.arange(count))
        gradient = jax.jit(jax.grad(whole))
        compute = jax.jit(lambda w, d: changes(whole, w, d, jnp.asarray(LENGTHS)))

        def one(seed):
            w, made, found = start(seed), 0, {}
            for name, steps in TRAINED.items():
                for _ in range(steps - made):
                    w = w - RATE * gradient(w)
                made = steps
                found[name] = np.asarray(compute(w, -gradient(w)))
            return found

        return [one(seed) for seed in range(seeds)]
