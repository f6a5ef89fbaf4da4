"""What happens when all weights of a layer start from the same number (lecture, "Weight init")."""

import functools
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import datasets, initializers, optimizers
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, Picture

HIDDEN, CLASSES = 20, 10
STARTS = {
    "W = 0": initializers.constant(0.0),
    "W = 0.01": initializers.constant(0.01),
    "W = 0.5": initializers.constant(0.5),
    "W = 0.01 randn": initializers.gaussian(0.01),
    "Xavier": initializers.xavier(),
}
QUESTION = "Q: what happens when W_ij = c is used as an initialization?"
CAPTION = (
    "The weights of all 20 hidden units from one input over the steps of training. Started from a "
    "constant they draw one line; started at random, twenty."
)


class Net(nn.Module):
    """One hidden layer of tanh units on the pixels."""

    start: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, 10]."""
        x = nn.Dense(HIDDEN, kernel_init=self.start, name="hidden")(x.reshape(len(x), -1))
        return nn.Dense(CLASSES, kernel_init=self.start, name="output")(nn.tanh(x))


def run(steps: int, learning_rate: float, seeds: int) -> Findings:
    """Train the net on all the digits at once from each start.

    Args:
      steps: updates by the gradient of the whole data set.
      learning_rate: of plain gradient descent.
      seeds: random starts of each kind; a constant has no randomness to repeat.
    """
    images, labels = datasets.source("digits", "train").arrays()
    data = jnp.asarray(images, jnp.float32) / 255, jnp.asarray(labels)
    paths, rows = {}, []
    for name, start in STARTS.items():
        random = not name.startswith("W = 0") or "randn" in name
        made = [
            _train(Net(start), data, steps, learning_rate, jax.random.key(seed))
            for seed in range(seeds if random else 1)
        ]
        weights = [weights for weights, _ in made]  # each [steps + 1, pixels, hidden]
        losses = np.array([losses for _, losses in made])
        paths[name] = weights[0]
        rows.append(
            {
                "start": name,
                "n": len(made),
                "loss_before": losses[:, 0].mean(),
                "loss_after": losses[:, -1].mean(),
                "loss_after_sd": losses[:, -1].std(ddof=1) if len(made) > 1 else 0.0,
                "different_hidden_units": max(_different(w[-1]) for w in weights),
                "hidden_weights_moved": max(np.abs(w[-1] - w[0]).max() for w in weights),
            }
        )
    return Findings(QUESTION, _answer(rows, steps), rows, {"weights.png": _picture(paths)})


def _train(net: Net, data: tuple, steps: int, learning_rate: float, key: jax.Array) -> tuple:
    """Return the hidden weights before each step and after the last, and the losses there."""
    images, labels = data
    rule = optimizers.sgd(learning_rate)

    def loss(params):
        logits = net.apply(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def step(carry, _):
        params, state = carry
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = rule.update(grads, state, params)
        hidden = params["params"]["hidden"]["kernel"]
        return (optax.apply_updates(params, updates), state), (hidden, value)

    @jax.jit
    def train(key):
        params = net.init(key, images[:1])
        carry = params, rule.init(params)
        _, made = jax.lax.scan(step, carry, None, length=steps + 1)
        return made

    weights, losses = train(key)
    return np.asarray(weights), np.asarray(losses)


def _different(weights: np.ndarray) -> int:
    """Return the number of units, columns of [inputs, units], that are not alike to the bit."""
    return len(np.unique(weights, axis=1).T)


def _answer(rows: list[dict], steps: int) -> str:
    constant = [row for row in rows if row["start"].startswith("W = 0") and row["n"] == 1]
    random = [row for row in rows if row not in constant]
    units = max(row["different_hidden_units"] for row in constant)
    zero = constant[0]["hidden_weights_moved"]
    return (
        f"after {steps} steps the {HIDDEN} hidden units started from a constant are still "
        f"{units} unit, to the bit: each gets the same gradient, whatever the constant. From 0 the "
        f"hidden weights moved by {zero:g}. The loss stops at "
        f"{min(row['loss_after'] for row in constant):.2f} at best; from random weights, where all "
        f"{min(row['different_hidden_units'] for row in random)} units differ, it reaches "
        f"{min(row['loss_after'] for row in random):.2f}."
    )


def _picture(paths: dict[str, np.ndarray]) -> Picture:
    return Picture(CAPTION, functools.partial(_draw, paths=paths))


def _draw(path: pathlib.Path, paths: dict[str, np.ndarray]) -> None:
    size = (2.2 * len(paths), 2.6)
    with style.figure(path, 1, len(paths), figsize=size) as (_, panels):
        for axes, (name, weights) in zip(panels, paths.items(), strict=True):
            pixel = weights[-1].std(1).argmax()  # where units differ most, if they do
            axes.plot(weights[:, pixel], color=style.TRAIN, linewidth=0.8)
            axes.set(title=name, xlabel="step")
        panels[0].set_ylabel("weights from one pixel")
