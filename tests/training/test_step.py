"""The pure step, on a network of one weight, so that everything can be told by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import optimizers
from cnn_history.training.state import State
from cnn_history.training.step import train_step


def apply(variables, images, train, rngs, mutable):
    """Logits (w·x, 0), and a count of the images seen as the network's state."""
    assert train
    assert "dropout" in rngs
    logits = jnp.stack([variables["params"]["w"] * images.sum((1, 2, 3)), jnp.zeros(2)], -1)
    return logits, {"batch_stats": {"seen": variables["batch_stats"]["seen"] + len(images)}}


def loss(logits, labels):
    return jnp.square(logits[:, 0] - labels)


OPTIMIZER = optimizers.momentum(0.1)
STEP = jax.jit(
    functools.partial(
        train_step,
        apply=apply,
        loss=loss,
        optimizer=OPTIMIZER,
        applied_rate=optimizers.applied_rate,
    )
)


def first():
    params = {"w": jnp.asarray(2.0)}
    stats = {"batch_stats": {"seen": jnp.asarray(0)}}
    return State(jnp.asarray(0), params, stats, OPTIMIZER.init(params), jax.random.key(0))


def batch(step, value=1.0):
    return {
        "image": jnp.full((2, 1, 1, 1), value),
        "label": jnp.asarray([0, 1]),
        "step": jnp.asarray(step),
    }


def test_one_step_by_hand():
    state, metrics = STEP(first(), batch(0))
    # logits 2, labels 0 and 1: loss (4 + 1) / 2, gradient (2·2 + 2·1) / 2
    assert float(metrics["loss"]) == pytest.approx(2.5)
    assert float(metrics["gradient_norm"]) == pytest.approx(3)
    assert float(metrics["top1_error"]) == 0.5
    assert float(metrics["learning_rate"]) == pytest.approx(0.1)
    assert float(state.params["w"]) == pytest.approx(2 - 0.1 * 3)
    assert int(state.step) == 1
    assert int(state.model_state["batch_stats"]["seen"]) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_is_not_finite_is_never_applied(value):
    """1e30: the loss overflows float32."""
    before = first()
    state, metrics = STEP(before, batch(0, value))
    assert not metrics["applied"]
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(state), strict=True):
        assert bool(jnp.all(old == new))


def test_nothing_is_applied_after_a_refused_batch():
    cursors = [batch(0), batch(1, np.nan), batch(2), batch(3)]
    state, applied = first(), []
    for one in cursors:
        state, metrics = STEP(state, one)
        applied.append(bool(metrics["applied"]))
    assert applied == [True, False, False, False]
    assert int(state.step) == 1

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cursors)
    scanned, metrics = jax.lax.scan(STEP, first(), stacked)
    assert metrics["applied"].tolist() == applied
    assert float(scanned.params["w"]) == float(state.params["w"])
