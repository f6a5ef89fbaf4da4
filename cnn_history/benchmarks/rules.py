"""The suite `optimizers`: the time of a step and the size of the state, for each rule."""

from collections.abc import Iterator

import flax.linen as nn
import jax

from cnn_history import build, initializers, layers, optimizers
from cnn_history import config as fields
from cnn_history.benchmarks import ours, rounds
from cnn_history.benchmarks.suite import Effort, Suite

BATCH = 128
SIZE = 8  # of scikit-learn's digits
RATE, DAMPING = 0.01, 1.0  # small steps, so that none is refused during the measurement


class SmallNet(nn.Module):
    """Two convolutions and a classifier: 666 parameters, small enough for BFGS's matrix."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, 8, 8, 1] -> logits [n, 10]."""
        he = initializers.he()
        for maps in (4, 8):
            x = nn.relu(nn.Conv(maps, (3, 3), kernel_init=he, name=f"conv{maps}")(x))
            x = layers.MaxPool((2, 2), (2, 2), name=f"pool{maps}")(x)
        return nn.Dense(10, kernel_init=he, name="fc")(x.reshape(len(x), -1))


def measure(names: set[str], effort: Effort, ceilings: dict) -> Iterator[dict]:
    """Yield a row for each rule; the rules take turns."""
    made = {name: _make(name) for name in optimizers.OPTIMIZERS if name in names}
    runs = {name: rule.run for name, rule in made.items()}
    found = rounds.alternate(runs, effort.rounds, effort.seconds)
    for name, rule in made.items():
        seconds = rounds.spread(found[name])
        row = {
            "network": "two convolutions and a classifier",
            "mode": "train",
            "optimizer": name,
            "batch": BATCH,
            "images_per_second": BATCH / seconds["median"],
            "seconds_per_step": seconds,
            "state_bytes": rule.optimizer_bytes,
            "parameters": rule.parameters,
        }
        if "sgd" in found:
            row["times_sgd"] = rounds.ratio(found[name], found["sgd"])
        yield row


def _make(rule: str) -> ours.Ours:
    """Compile steps of a rule on scikit-learn's digits, without augmentation."""
    config = fields.base()
    config.model.name = "lenet5"
    config.optimizer.name = rule
    config.optimizer.newton.damping = DAMPING
    config.update(dataset="digits", scaling="lenet_1998", image_size=SIZE)
    config.update(batch_size=BATCH, learning_rate=RATE)
    return ours.of(build.experiment(config, network=SmallNet()))


SUITE = Suite(tuple(optimizers.OPTIMIZERS), measure, beside_torch=False, together=True)
