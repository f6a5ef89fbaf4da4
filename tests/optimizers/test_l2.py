"""Weight decay in the gradient, and in a rule's extra arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import optimizers
from tests.optimizers import problems

W = {"kernel": jnp.asarray([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.asarray([4.0, 5.0])}
MASKS = {
    "all": lambda params: True,
    "kernels": lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
}


def objective(params):
    return jnp.sum(jnp.sin(params["kernel"])) + jnp.sum(params["bias"] ** 3)


@pytest.mark.parametrize("name", MASKS)
def test_everything_is_of_the_same_sum(name):
    seen = {}

    def update(updates, state, params, **extra):
        seen.update(extra)
        return updates, state

    probe = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    rule = optimizers.add_l2(probe, 0.1, MASKS[name])
    value, grad = jax.value_and_grad(objective)(W)
    extra = {"value": value, "grad": grad, "value_fn": objective, "other": 7}
    updates, _ = rule.update(grad, rule.init(W), W, **extra)

    decay = optax.add_decayed_weights(0.1, MASKS[name])
    wanted, _ = decay.update(grad, decay.init(W), W)
    for found in (updates, seen["grad"], jax.grad(seen["value_fn"])(W)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, wanted)
    assert float(seen["value"]) == pytest.approx(float(seen["value_fn"](W)))
    squares = 14.25 + (41 if name == "all" else 0)
    assert float(seen["value"] - value) == pytest.approx(0.05 * squares, rel=1e-5)
    assert seen["other"] == 7


def test_a_rule_that_asks_for_nothing():
    rule = optimizers.add_l2(optimizers.sgd(1.0), 0.5)
    updates, _ = rule.update(jnp.ones(2), rule.init(jnp.ones(2)), jnp.asarray([2.0, 4.0]))
    np.testing.assert_array_equal(updates, [-2.0, -3.0])


@pytest.mark.parametrize("name", ["newton", "lbfgs"])
def test_second_order_rules_reach_the_ridge(name):
    """The minimum of |w - 1|² / 2 + |w|² / 2 is 1/2, for the line search and the Hessian too."""
    rule = optimizers.add_l2(optimizers.OPTIMIZERS[name](1.0), 1.0)

    def function(w):
        return jnp.sum((w - 1) ** 2) / 2

    seen, _ = problems.path(rule, function, jnp.asarray([3.0, -2.0]), 3)
    np.testing.assert_allclose(seen[-1], 0.5, atol=1e-5)
