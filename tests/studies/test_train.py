"""The training loop of the studies, and the intervals of its results."""

import functools
import itertools
import math

import flax.linen as nn
import jax
import numpy as np
import pytest

from cnn_history import optimizers
from cnn_history.studies import curves, train
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


def observe(step):
    return train.main_loss(step), step.gradient["trunk"]["kernel"]


@functools.cache
def trainer(heads):
    return train.trainer(Headed(heads), optimizers.sgd, data(), 4, observe=observe)


def seen(heads, weight=0.0, seed=0):
    """Return the losses and the trunk's gradients of 6 steps."""
    return train.observed(trainer(heads)(train.keys(seed), RATE, aux_weight=weight), 6)


def test_a_weight_of_zero_is_no_head():
    for with_head, without in zip(seen(True), seen(False), strict=True):
        np.testing.assert_allclose(with_head, without, rtol=1e-5)  # two programs


def test_a_head_adds_its_gradient_and_not_its_loss():
    """The trunk's first gradient is linear in the head's weight; the first loss knows none."""
    (loss, none), (same, one), (_, two) = (seen(True, weight) for weight in (0.0, 1.0, 2.0))
    assert loss[0] == same[0]  # of one program
    assert not np.allclose(none[0], one[0])
    np.testing.assert_allclose(two[0], none[0] + 2 * (one[0] - none[0]), rtol=1e-5, atol=1e-7)


def test_the_seed_is_all_that_draws():
    np.testing.assert_array_equal(seen(False)[0], seen(False)[0])
    assert not np.allclose(seen(False)[0], seen(False, seed=1)[0])


def test_it_learns():
    losses, _ = train.observed(trainer(False)(train.keys(0), RATE / 5), 300)
    assert losses[-30:].mean() < 0.85 * losses[:3].mean()


def test_what_diverged_stays_and_is_seen_as_nan():
    updates = list(itertools.islice(trainer(False)(train.keys(0), 1e10), 12))
    diverged = np.isnan([update.seen[0] for update in updates])
    first = int(diverged.argmax())
    assert first > 0
    assert diverged[first:].all()
    steps = [int(update.state.step) for update in updates]
    assert steps == [min(i + 1, first) for i in range(len(updates))]


def test_a_loss_that_diverged_is_infinite():
    losses = np.array([[3.0, 2.0, 1.0, 0.5, 0.25], [3.0, np.nan, np.nan, np.nan, np.nan]])
    assert curves.end(losses, 0.2).tolist() == [0.25, np.inf]
    assert curves.end(losses, 0.4).tolist() == [0.375, np.inf]


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
