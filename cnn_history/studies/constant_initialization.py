"""Training from weights that are all equal (lecture, "Weight init")."""

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

# Largest difference between weights of units that count as alike. Some processors sum the last
# units of a layer in another order, and training multiplies the difference in rounding by about 1e7
# in 500 steps. In float64 it stays below 1e-8. Units with random weights are 0.02 apart after 20
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
    "The weights from one input to all 20 hidden units during training: one line if they start "
    "from a constant, twenty if they start at random."
)
VARIANTS = {"smoke": {"steps": 20, "seeds": 2}}


class Net(nn.Module):
    """A net with one hidden layer of tanh units."""

    start: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, 10]."""
        del train
        x = nn.Dense(HIDDEN, kernel_init=self.start, name="hidden")(x.reshape(len(x), -1))
        return nn.Dense(CLASSES, kernel_init=self.start, name="output")(nn.tanh(x))


def run(steps: int = 500, learning_rate: float = 0.2, seeds: int = 5) -> Findings:
    """Train the net from each start by gradient descent on all digits, in float64.

    Args:
      steps: updates.
      learning_rate: learning rate.
      seeds: runs from each random start; a constant start is run once.
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
    """Return seed -> (hidden weights [steps + 1, pixels, hidden], losses [steps + 1])."""
    rule = optimizers.sgd(learning_rate)

    def observe(step):
        return step.params["hidden"]["kernel"], train.main_loss(step)

    step = train.stepper(net, lambda _: rule, observe)

    @jax.jit
    def whole(key, images, labels):
        start = train.starter(net, lambda _: rule, images[:1])(key, key)  # in float32, as usual
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), start.params)

        def one(state, number):
            return step(state, number, images, labels)

        return jax.lax.scan(one, start.replace(params=params), jnp.arange(steps + 1))[1]

    @jax.enable_x64(True)
    def train_from(seed):
        return jax.device_get(whole(jax.random.key(seed), *digits()))

    return train_from


def _different(weights: np.ndarray) -> int:
    """[inputs, units] -> the number of units that are more than ALIKE apart."""
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
        f"After {steps} steps from a constant, {units} of {HIDDEN} hidden units is different: all "
        f"get the same gradient, whatever the constant. From 0, the hidden weights moved by "
        f"{zero:g}. The lowest loss is {min(row['loss_after'] for row in constant):.2f}. From "
        f"random weights, all {min(row['different_hidden_units'] for row in random)} units differ, "
        f"and the loss reaches {min(row['loss_after'] for row in random):.2f}."
    )


@picture(CAPTION, 1, len(STARTS), figsize=(2.2 * len(STARTS), 2.6))
def _draw(panels, paths: dict[str, np.ndarray]) -> None:
    for axes, (name, weights) in zip(panels, paths.items(), strict=True):
        pixel = weights[-1].std(1).argmax()  # the input for which units differ most
        axes.plot(weights[:, pixel], color=style.TRAIN, linewidth=0.8)
        axes.set(title=name, xlabel="step")
    panels[0].set_ylabel("weights from one pixel")
