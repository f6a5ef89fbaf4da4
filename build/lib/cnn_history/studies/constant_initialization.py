"""What happens when all weights of a layer start from the same number (lecture, "Weight init")."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import initializers, optimizers
from cnn_history.reporting import style
from cnn_history.studies import train
from cnn_history.studies.data import digits
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import columns

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
VARIANTS = {"smoke": {"steps": 20, "seeds": 2}}


class Net(nn.Module):
    """One hidden layer of tanh units on the pixels."""

    start: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, 10]."""
        del train
        x = nn.Dense(HIDDEN, kernel_init=self.start, name="hidden")(x.reshape(len(x), -1))
        return nn.Dense(CLASSES, kernel_init=self.start, name="output")(nn.tanh(x))


def run(steps: int = 500, learning_rate: float = 0.2, seeds: int = 5) -> Findings:
    """Train the net in float64 on all the digits at once from each start.

    Args:
      steps: updates by the gradient of the whole data set.
      learning_rate: of plain gradient descent.
      seeds: random starts of each kind; a constant has no randomness to repeat.
    """
    paths, rows = {}, []
    for name, start in STARTS.items():
        train_from = _trainer(Net(start), steps, learning_rate)
        made = [train_from(seed) for seed in range(seeds if name in RANDOM else 1)]
        weights, losses = map(np.stack, zip(*made, strict=True))
        paths[name] = weights[0]
        rows.append(
            {
                "start": name,
                "n": len(made),
                "loss_before": losses[:, 0].mean(),
                **columns("loss_after", losses[:, -1]),
                "different_hidden_units": max(map(_different, weights[:, -1])),
                "hidden_weights_moved": np.abs(weights[:, -1] - weights[:, 0]).max(),
            }
        )
    return Findings(QUESTION, _answer(rows, steps), rows, {"weights.png": _draw(paths)})


def _trainer(net: Net, steps: int, learning_rate: float) -> Callable[[int], tuple]:
    """Return seed -> the hidden weights [steps + 1, pixels, hidden] and losses, before each step
    and after the last."""
    rule = optimizers.sgd(learning_rate)

    def observe(step):
        return step.params["hidden"]["kernel"], train.main_loss(step)

    step = train.stepper(net, lambda _: rule, observe)

    @jax.jit
    def whole(key, images, labels):
        start = train.starter(net, lambda _: rule, images[:1])(key, key)  # in float32, as all are
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), start.params)

        def one(state, number):
            return step(state, number, images, labels)

        return jax.lax.scan(one, start.replace(params=params), jnp.arange(steps + 1))[1]

    @jax.enable_x64(True)
    def train_from(seed):
        return jax.device_get(whole(jax.random.key(seed), *digits()))

    return train_from


def _different(weights: np.ndarray) -> int:
    """Return the number of units, columns of [inputs, units], that are more than `ALIKE` apart."""
    different = []
    for unit in weights.T:
        if all(np.abs(unit - other).max() > ALIKE for other in different):
            different.append(unit)
    return len(different)


def _answer(rows: list[dict], steps: int) -> str:
    constant, random = (
        [r for r in rows if (r["start"] in RANDOM) == kind] for kind in (False, True)
    )
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


@picture(CAPTION, 1, len(STARTS), figsize=(2.2 * len(STARTS), 2.6))
def _draw(panels, paths: dict[str, np.ndarray]) -> None:
    for axes, (name, weights) in zip(panels, paths.items(), strict=True):
        pixel = weights[-1].std(1).argmax()  # where units differ most, if they do
        axes.plot(weights[:, pixel], color=style.TRAIN, linewidth=0.8)
        axes.set(title=name, xlabel="step")
    panels[0].set_ylabel("weights from one pixel")
