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

# Largest difference of two weights of units that count as alike. Some processors round the sums of
# the last units of a layer in another order, and training multiplies such a difference by about
# 1e7 in 500 steps. In float64 it stays below 1e-8. Units started at random are 0.02 apart after 20
# steps and 0.3 after 500.
ALIKE = 1e-4

STARTS = {
    "W = 0": initializers.constant(0.0),
    "W = 0.01": initializers.constant(0.01),
    "W = 0.5": initializers.constant(0.5),
    "W = 0.01 randn": initializers.gaussian(0.01),
    "Xavier": initializers.xavier(),
}
RANDOM = "W = 0.01 randn", "Xavier"
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
    """Train the net in float64 on all the digits at once from each start.

    Args:
      steps: updates by the gradient of the whole data set.
      learning_rate: of plain gradient descent.
      seeds: random starts of each kind; a constant has no randomness to repeat.
    """
    images, labels = datasets.source("digits", "train").arrays()
    paths, rows = {}, []
    for name, start in STARTS.items():
        made = [
            _train(Net(start), images, labels, steps, learning_rate, seed)
            for seed in range(seeds if name in RANDOM else 1)
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


@jax.enable_x64(True)
def _train(net: Net, images, labels, steps: int, learning_rate: float, seed: int) -> tuple:
    """Return the hidden weights before each step and after the last, and the losses there."""
    images = jnp.asarray(images, jnp.float64) / 255
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
        params = net.init(key, images[:1])  # drawn in float32, as everywhere
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
        carry = params, rule.init(params)
        _, made = jax.lax.scan(step, carry, None, length=steps + 1)
        return made

    weights, losses = train(jax.random.key(seed))
    return np.asarray(weights), np.asarray(losses)


def _different(weights: np.ndarray) -> int:
    """Return the number of units, columns of [inputs, units], that are more than `ALIKE` apart."""
    different = []
    for unit in weights.T:
        if all(np.abs(unit - other).max() > ALIKE for other in different):
            different.append(unit)
    return len(different)


def _answer(rows: list[dict], steps: int) -> str:
    constant = [row for row in rows if row["start"] not in RANDOM]
    random = [row for row in rows if row["start"] in RANDOM]
    units = max(row["different_hidden_units"] for row in constant)
    zero = constant[0]["hidden_weights_moved"]
    return (
        f"after {steps} steps the {HIDDEN} hidden units started from a constant are still "
        f"{units} unit: each gets the same gradient, whatever the constant. From 0 the "
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
