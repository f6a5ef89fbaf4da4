"""The suite `optimizers`: what a step of each rule takes, and what it remembers."""

from collections.abc import Iterator

import flax.linen as nn
import jax
import optax

from cnn_history import build, initializers, layers, optimizers
from cnn_history.benchmarks import ours, recipes, rounds
from cnn_history.benchmarks.suite import Effort, Suite

BATCH = 128
SIZE = 8  # of scikit-learn's digits
RATE, DAMPING = 0.01, 1.0  # small steps: none is refused while the time is taken


class SmallNet(nn.Module):
    """Two convolutions and a classifier, 666 parameters: BFGS keeps a matrix of their square."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, 8, 8, 1] -> logits [n, 10]."""
        del train
        he = initializers.he()
        for maps in (4, 8):
            x = nn.relu(nn.Conv(maps, (3, 3), kernel_init=he, name=f"conv{maps}")(x))
            x = layers.MaxPool((2, 2), (2, 2), name=f"pool{maps}")(x)
        return nn.Dense(10, kernel_init=he, name="fc")(x.reshape(len(x), -1))


def measure(names: set[str], effort: Effort, ceilings: dict) -> Iterator[dict]:
    """Yield the row of each rule; all take turns."""
    del ceilings
    made = {name: _make(name) for name in optimizers.OPTIMIZERS if name in names}
    found = rounds.alternate(
        {n: run for n, (run, *_) in made.items()}, effort.rounds, effort.seconds
    )
    for name, (_, state, parameters) in made.items():
        seconds = rounds.spread(found[name])
        row = {
            "network": "two convolutions and a classifier",
            "mode": "train",
            "optimizer": name,
            "batch": BATCH,
            "images_per_second": BATCH / seconds["median"],
            "seconds_per_step": seconds,
            "state_bytes": state,
            "parameters": parameters,
        }
        if "sgd" in found:
            row["times_sgd"] = rounds.ratio(found[name], found["sgd"])
        yield row


def _make(rule: str):
    """Return what makes steps of a rule, the bytes of its state, and the number of parameters."""
    config = recipes.digits(rule, BATCH, SIZE, RATE)
    config.optimizer.newton.damping = DAMPING
    program, feed, _ = ours.parts(build.experiment(config, network=SmallNet()))
    state, made = program.init(), 0

    def run(count: int) -> None:
        nonlocal state, made
        for _ in range(count):
            state, metrics = program.step(state, feed.data, feed.at(made, 1))
            made += 1
        assert jax.block_until_ready(metrics)["applied"], f"{rule}: a step was not applied"
        jax.block_until_ready(state)

    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state.opt_state))
    return run, held, optax.tree.size(state.params)


SUITE = Suite(tuple(optimizers.OPTIMIZERS), measure, beside_torch=False, together=True)
