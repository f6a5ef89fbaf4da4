"""The pure step on a network with one weight, against results by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
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
    zero = jnp.asarray(0)
    return State(zero, params, stats, OPTIMIZER.init(params), jax.random.key(0), zero)


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
    # Another program.
    assert float(scanned.params["w"]) == pytest.approx(float(state.params["w"]), rel=1e-6)


def test_some_bad_batches_are_skipped_where_that_is_allowed():
    """The state goes on to the next step as it was; one too many stops all that follow."""
    step = functools.partial(STEP.__wrapped__, skips=2)
    good, bad = {}, {"value": np.nan}
    cursors = [batch(i, **what) for i, what in enumerate((good, bad, good, bad, good, bad, good))]
    state, applied, skipped = first(), [], []
    for one in cursors:
        before = state
        state, metrics = step(state, one)
        applied.append(bool(metrics["applied"]))
        skipped.append(bool(metrics["skipped"]))
        if not metrics["applied"]:
            assert state.replace(step=0, skipped=0) == before.replace(step=0, skipped=0)
    assert applied == [True, False, True, False, True, False, False]
    assert skipped == [False, True, False, True, False, False, False]
    assert (int(state.step), int(state.skipped)) == (5, 2)

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cursors)
    scanned, metrics = jax.lax.scan(step, first(), stacked)
    assert metrics["applied"].tolist() == applied
    assert jax.tree.map(float, scanned.params) == jax.tree.map(float, state.params)
    assert (int(scanned.step), int(scanned.skipped)) == (5, 2)


def test_running_statistics_that_overflow_are_never_applied():
    def overflowing(*arguments, **options):
        logits, _ = apply(*arguments, **options)
        return logits, {"batch_stats": {"seen": jnp.asarray(jnp.inf)}}

    step = functools.partial(
        train_step,
        apply=overflowing,
        loss=loss,
        optimizer=OPTIMIZER,
        applied_rate=optimizers.applied_rate,
    )
    state, metrics = step(first(), batch(0))
    assert not metrics["applied"]
    assert int(state.model_state["batch_stats"]["seen"]) == 0


def step_with(update, **options):
    """Return the step of a rule without state, but for the rate that a rule has to show."""
    rule = optax.GradientTransformationExtraArgs(lambda p: {"learning_rate": jnp.zeros(())}, update)
    return functools.partial(
        train_step,
        apply=apply,
        loss=loss,
        optimizer=rule,
        applied_rate=optimizers.applied_rate,
        **options,
    )


def test_a_rule_gets_what_it_asks_for():
    """The loss at any parameters too, which leaves no trace in the network's state."""

    def update(grads, state, params, *, value, grad, value_fn, curvature, **extra):
        del extra
        there = value_fn({"w": params["w"] + 1.0})
        seen = jnp.stack([value, value_fn(params), grad["w"], there, curvature()])
        return jax.tree.map(jnp.zeros_like, grads), {"learning_rate": seen}

    step = step_with(update, extra={"curvature": lambda: jnp.asarray(7.0)})
    state, metrics = jax.jit(step)(
        first().replace(opt_state={"learning_rate": jnp.zeros(5)}), batch(0)
    )
    # logits 2, then 3: (4 + 1) / 2, gradient 3, (9 + 4) / 2
    assert metrics["learning_rate"].tolist() == pytest.approx([2.5, 2.5, 3.0, 6.5, 7.0])
    assert int(state.model_state["batch_stats"]["seen"]) == 2


def test_an_update_that_is_not_finite_is_never_applied():
    def update(grads, state, params, **extra):
        del params, extra
        return jax.tree.map(lambda g: g / 0, grads), state

    before = first().replace(opt_state={"learning_rate": jnp.zeros(())})
    state, metrics = step_with(update)(before, batch(0))
    assert not metrics["applied"]
    assert float(state.params["w"]) == 2.0
    assert int(state.step) == 0


def test_what_a_rule_does_not_ask_for_costs_nothing():
    """The compiled step of a first-order rule is that of a step which offers nothing."""

    def update(grads, state, params=None):
        del params
        return grads, state

    before = first().replace(opt_state={"learning_rate": jnp.zeros(())})
    deaf = optax.GradientTransformation(lambda p: {}, update)
    options = {"apply": apply, "loss": loss, "applied_rate": optimizers.applied_rate}
    never = {"curvature": lambda: 1 / 0}
    a, b = (
        jax.make_jaxpr(functools.partial(train_step, optimizer=deaf, extra=extra, **options))(
            before, batch(0)
        )
        for extra in ({}, never)
    )
    assert str(a) == str(b)


def test_the_error_is_that_of_the_main_classifier():
    def with_head(*arguments, **options):
        logits, model_state = apply(*arguments, **options)
        return (logits, (-logits,)), model_state

    step = functools.partial(
        train_step,
        apply=with_head,
        loss=lambda made, labels: loss(made[0], labels) + 0.5 * loss(made[1][0], labels),
        optimizer=OPTIMIZER,
        applied_rate=optimizers.applied_rate,
    )
    _, metrics = step(first(), batch(0))
    # of labels 0 and 1, logits 2 and minus 2: (4 + 1) / 2 + 0.5 (4 + 9) / 2
    assert float(metrics["loss"]) == pytest.approx(5.75)
    assert float(metrics["top1_error"]) == 0.5
