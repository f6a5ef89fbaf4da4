"""Rules and schedules in other people's loops: flax's TrainState, optax's wrappers and rules."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.training.train_state import TrainState

from cnn_history import optimizers, schedules

RNG = np.random.default_rng(0)
PARAMS = {"conv": {"kernel": RNG.normal(size=(4, 3))}, "fc": {"kernel": RNG.normal(size=(3, 2))}}
PARAMS = jax.tree.map(jnp.float32, PARAMS)
GRADS = [jax.tree.map(lambda p: jnp.cos((i + 1) * p), PARAMS) for i in range(4)]  # noqa: B023
FIRST_ORDER = [
    name
    for name, rule in optimizers.OPTIMIZERS.items()
    if not rule.whole_batch and name != "stochastic_diagonal_lm"
]
SECOND_ORDER = [name for name in optimizers.OPTIMIZERS if name not in FIRST_ORDER]
RATE = 0.1


def rule_of(name, rate=RATE):
    return optimizers.OPTIMIZERS[name](rate)


def walk(rule, grads=GRADS, params=PARAMS):
    """Return the parameters after updates by a rule as optax's loops make them, compiled."""

    @jax.jit
    def step(params, state, grads):
        updates, state = rule.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    state = rule.init(params)
    for each in grads:
        params, state = step(params, state, each)
    return params


def assert_same(found, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_train_state_with_a_chain(name):
    """Clipped before the rule, in flax's TrainState."""
    chain = optax.chain(optax.clip_by_global_norm(1.0), rule_of(name))
    state = TrainState.create(apply_fn=None, params=PARAMS, tx=chain)
    step = jax.jit(lambda state, grads: state.apply_gradients(grads=grads))
    for grads in GRADS:
        state = step(state, grads)
    clipped = [jax.tree.map(lambda g: g / optax.global_norm(grads), grads) for grads in GRADS]  # noqa: B023
    assert_same(state.params, walk(rule_of(name), clipped))


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_multi_steps_update_by_the_mean_gradient(name):
    means = [jax.tree.map(lambda a, b: (a + b) / 2, *GRADS[i : i + 2]) for i in (0, 2)]
    multi = optax.MultiSteps(rule_of(name), 2).gradient_transformation()
    assert_same(walk(multi), walk(rule_of(name), means))


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_hyperparameters_are_injected_and_changed(name):
    """Options that are functions are no schedules, which optax has to be told.

    Injected ones are float32, in which 1 - 0.999 has four digits less.
    """
    make = optimizers.OPTIMIZERS[name].make
    functions = [
        p.name
        for p in inspect.signature(make).parameters.values()
        if callable(p.default) and p.default is not p.empty
    ]
    rule = optax.inject_hyperparams(make, static_args=functions)(learning_rate=2 * RATE)
    assert_same(walk(rule), walk(rule_of(name, 2 * RATE)), 1e-4)
    state = rule.init(PARAMS)
    state.hyperparams["learning_rate"] = jnp.float32(RATE)
    updates, _ = rule.update(GRADS[0], state, PARAMS)
    assert_same(optax.apply_updates(PARAMS, updates), walk(rule_of(name), GRADS[:1]), 1e-4)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_parts_of_the_parameters_have_rules_of_their_own(name):
    """Beside a rule of optax.contrib, and masked."""

    def part(key, trees):
        return [{key: tree[key]} for tree in trees]

    other = optax.contrib.ademamix(0.01)
    labels = {"conv": "ours", "fc": "other"}
    rule = optax.multi_transform({"ours": rule_of(name), "other": other}, labels)
    expected = {
        **walk(rule_of(name), part("conv", GRADS), *part("conv", [PARAMS])),
        **walk(other, part("fc", GRADS), *part("fc", [PARAMS])),
    }
    assert_same(walk(rule), expected)
    masked = optax.masked(rule_of(name), {"conv": True, "fc": False})
    assert_same(walk(masked)["conv"], expected["conv"])


def test_our_schedules_in_rules_of_optax_and_theirs_in_ours():
    ours, theirs = (
        schedules.step_decay(RATE, 0.5, 2),
        optax.exponential_decay(RATE, 2, 0.5, 0, True),
    )
    np.testing.assert_allclose([ours(i) for i in range(6)], [theirs(i) for i in range(6)])
    for schedule in (ours, theirs):
        assert_same(walk(optimizers.sgd(schedule)), walk(optax.sgd(ours)))
        assert_same(walk(optax.sgd(schedule)), walk(optax.sgd(ours)))
    injected = optax.inject_hyperparams(optimizers.sgd)(learning_rate=ours)
    assert_same(walk(injected), walk(optax.sgd(ours)))


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_rules_of_second_order_say_what_they_lack(name):
    """A loop that gives them gradients alone is told what else they take."""
    rule = rule_of(name)
    with pytest.raises((TypeError, ValueError), match=r"value_fn|curvature_fn|factors"):
        rule.update(GRADS[0], rule.init(PARAMS), PARAMS)


@pytest.mark.parametrize("name", ["newton", "lbfgs"])
def test_rules_of_second_order_take_part_in_a_chain_that_gives_more(name):
    """As `optax.lbfgs` does: by `value`, `grad` and `value_fn`."""

    def loss(params):
        return sum(jnp.sum((leaf - 1) ** 2 * (1 + leaf**2)) for leaf in jax.tree.leaves(params))

    def walked(rule):
        @jax.jit
        def step(params, state):
            value, grads = jax.value_and_grad(loss)(params)
            more = {"value": value, "grad": grads, "value_fn": loss}
            updates, state = rule.update(grads, state, params, **more)
            return optax.apply_updates(params, updates), state

        params, state = PARAMS, rule.init(PARAMS)
        for _ in range(3):
            params, state = step(params, state)
        return params

    rule = optimizers.OPTIMIZERS[name](1.0)
    found = walked(optax.chain(optax.clip_by_global_norm(1e6), rule))
    assert_same(found, walked(rule))
    assert loss(found) < loss(PARAMS) / 2
