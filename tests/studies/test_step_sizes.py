"""Conclusions of the studies of step sizes and learning rates match their numbers."""

import numpy as np
import pytest

from cnn_history import optimizers
from cnn_history.studies import adaptive_step_sizes, learning_rate


def test_steps_under_a_constant_gradient_are_the_lectures():
    t = np.arange(1, 51)
    steps = {
        name: adaptive_step_sizes.constant(rule, 1.0, 50)
        for name, rule in adaptive_step_sizes.RULES.items()
    }
    np.testing.assert_allclose(steps["AdaGrad"], 1 / np.sqrt(t), rtol=1e-5)
    np.testing.assert_allclose(steps["RMSProp"], 1 / np.sqrt(1 - 0.9**t), rtol=1e-5)
    almost = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)
    np.testing.assert_allclose(steps["Adam (almost)"], almost, rtol=1e-4)
    np.testing.assert_allclose(steps["Adam (full form)"], 1.0, rtol=1e-4)


def test_plain_descent_would_treat_both_axes_alike():
    rates = adaptive_step_sizes.along_axes(optimizers.sgd, 3)
    # The first step alone: it ends at 0 along the steep axis, and the next has no rate there.
    assert adaptive_step_sizes.advantage(rates[:, :1]) == pytest.approx((1.0, 1.0))


def losses(**ends):
    """Return curves of three seeds, level from 1.0 at the start, [seeds, steps]."""
    seeds = np.array([0.99, 1.0, 1.01])[:, None]
    plans = ("very high", "high", "good", "low", "step decay", "exponential decay", "1/t decay")
    return {name: seeds * np.linspace(1.0, ends.get(name, 1.0), 200) for name in plans}


def test_what_is_said_of_rates_follows_the_curves():
    """Two-sided: with the good rate below the high one, and the other way round."""
    assert "the high rate ends above the good one: yes" in learning_rate.answer(losses(good=0.1))
    assert "the high rate ends above the good one: no" in learning_rate.answer(losses(high=0.1))
    assert "the low rate ends above the good one: yes" in learning_rate.answer(losses(good=0.1))
    fell = losses()
    fell["step decay"][:, 50:] -= 0.5
    assert "than without the drop: yes, 0.5 to 0.5" in learning_rate.answer(fell)
    assert "than without the drop: inconclusive" in learning_rate.answer(losses())
