"""The small trainer of the studies against its own formulas, and the intervals."""

import math

import flax.linen as nn
import jax
import numpy as np
import pytest

from cnn_history import optimizers
from cnn_history.studies import fit
from cnn_history.studies.interval import interval, verdict

RATE = 0.5


class Headed(nn.Module):
    """A linear classifier, and another one as its auxiliary head."""

    heads: bool

    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(4, name="trunk")(x.reshape(len(x), -1))
        logits = nn.Dense(3, name="main")(x)
        if not self.heads:
            return logits
        head = nn.Dense(3, name="head")(x)
        return (logits, (head,)) if train else logits


def data():
    rng = np.random.default_rng(0)
    return jax.numpy.float32(rng.normal(size=(12, 2, 2, 1))), jax.numpy.arange(12) % 3


def trunk(gradient):
    return gradient["trunk"]["kernel"]


def seen(heads, weight=0.0, seed=0):
    rule = optimizers.sgd(RATE)
    return fit.trainer(Headed(heads), rule, data(), 4, trunk)(seed, 6, weight)


def test_a_weight_of_zero_is_no_head():
    for with_head, without in zip(seen(True), seen(False), strict=True):
        np.testing.assert_array_equal(with_head, without)


def test_a_head_adds_its_gradient_and_not_its_loss():
    """The trunk's first gradient is linear in the head's weight; the first loss knows none."""
    none, one, two = (seen(True, weight) for weight in (0.0, 1.0, 2.0))
    assert none.loss[0] == one.loss[0]
    assert not np.allclose(none.probe[0], one.probe[0])
    expected = none.probe[0] + 2 * (one.probe[0] - none.probe[0])
    np.testing.assert_allclose(two.probe[0], expected, rtol=1e-5, atol=1e-7)


def test_the_seed_is_all_that_draws():
    np.testing.assert_array_equal(seen(False).loss, seen(False).loss)
    assert not np.allclose(seen(False).loss, seen(False, seed=1).loss)


def test_it_learns():
    losses = fit.trainer(Headed(False), optimizers.sgd(RATE), data(), 12)(0, 200).loss
    assert losses[-1] < 0.7 * losses[0]


def test_interval():
    """Of 1, 2, 3: 2 ± t(0.975; 2) / sqrt(3), t = 4.30265 from a printed table."""
    low, high = interval([1, 2, 3])
    assert low == pytest.approx(2 - 4.30265 / math.sqrt(3), abs=1e-4)
    assert high == pytest.approx(2 + 4.30265 / math.sqrt(3), abs=1e-4)
    assert interval([1.0]) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("ends", "said"), [((0.1, 0.2), "yes"), ((-0.2, -0.1), "no"), ((-0.1, 0.1), "inconclusive")]
)
def test_verdict(ends, said):
    assert verdict(*ends) == said
