"""The study's results without seeds, its models of a loss, and its conclusions."""

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import optimizers
from cnn_history.studies import budget, digits_net, loss_models, second_order


def test_newton_takes_one_step_and_an_update_has_rank_2():
    for seed in range(3):
        assert second_order.gradient_after_newton(seed=seed) < 1e-13
        assert second_order.update_rank(seed=seed) == 2


@pytest.mark.parametrize(
    ("model", "words"), [("resnet50", "2.6 PB"), ("alexnet_2012", "14.9 PB"), ("vgg16", "76.6 PB")]
)
def test_memory_of_hessians(model, words):
    assert optimizers.size.in_words(second_order.hessian_bytes(model)) == words


def test_models_of_a_cubic():
    """t³ + 2 t² - 3 t along (1, 0): the models are its first terms."""
    lengths = jnp.asarray([0.0, 0.5, 2.0])
    direction = jnp.asarray([1.0, 0.0])
    true, linear, quadratic = loss_models.changes(
        lambda w: w[0] ** 3 + 2 * w[0] ** 2 - 3 * w[0] + 7, jnp.zeros(2), direction, lengths
    )
    np.testing.assert_allclose(true, lengths**3 + 2 * lengths**2 - 3 * lengths, atol=1e-5)
    np.testing.assert_allclose(linear, -3 * lengths)
    np.testing.assert_allclose(quadratic, 2 * lengths**2 - 3 * lengths, atol=1e-6)


def test_a_model_reaches_as_far_as_it_was_always_right():
    true = np.ones(251)
    error = np.zeros(251)
    assert loss_models.reach(true, true + error) == loss_models.LENGTHS[-1]
    error[100] = 0.2
    assert loss_models.reach(true, true + error) == loss_models.LENGTHS[99]


def descent(loss, noise=0.5):
    return budget.Descent(np.array([2.0, loss]), 10, 0, noise, 1.0)


def test_a_difference_is_said_only_where_the_seeds_agree():
    exact = second_order.exact_rows()
    reaches = {where: np.array([[1.0, 4.0], [1.0, 4.1]]) for where in loss_models.TRAINED}
    low, high = [descent(x) for x in (0.1, 0.11)], [descent(x) for x in (1.0, 1.12)]
    wide = [descent(x) for x in (0.01, 1.0)]

    def said(full, mini):
        found = {("full batch", "lbfgs"): full, ("mini-batch", "lbfgs"): mini}
        found |= {(setting, "momentum"): high for setting in ("full batch", "mini-batch")}
        return second_order.answer(exact, reaches, found)

    assert "full batch, L-BFGS ends below tuned momentum" in said(low, wide)
    assert "mini-batch, L-BFGS and tuned momentum do not differ" in said(low, wide)
    assert "rank 2, not 1" in said(low, wide)
    assert "vgg16 76.6 PB" in said(low, wide)
    worse = [descent(10.0), descent(11.2)]
    assert "mini-batch, L-BFGS ends above tuned momentum" in said(low, worse)


def test_a_budget_of_gradients():
    """Momentum takes one a step, a line search one more for each trial."""
    plain = budget.descender(optimizers.momentum, 479)(0, 2, 0.1)
    assert (plain.steps, len(plain.losses), plain.rate) == (6, 3, 0.1)  # 3 batches a pass, 2 passes
    assert plain.losses[-1] < plain.losses[0]
    assert 0.1 < plain.noise < 2
    whole = budget.descender(optimizers.OPTIMIZERS["lbfgs"], None)(0, 6)
    assert whole.steps <= 3
    assert whole.refused == 0
    assert whole.noise < 1e-4  # there is no other batch
    assert whole.losses[-1] < whole.losses[0]


def test_the_small_net():
    start, loss, count = digits_net.problem()
    assert start(0).shape == (2410,)
    assert count == 1437
    assert float(loss(start(0), jnp.arange(count))) == pytest.approx(np.log(10), abs=0.5)
