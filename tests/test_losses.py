"""Losses against optax's, by hand, and with auxiliary heads."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import losses

LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(4, 7)) * 3)
LABELS = jnp.asarray([0, 6, 2, 2])


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy(epsilon):
    targets = optax.smooth_labels(jax.nn.one_hot(LABELS, 7), epsilon)
    expected = optax.softmax_cross_entropy(LOGITS, targets)
    made = losses.smoothed_cross_entropy(epsilon)(LOGITS, LABELS)
    np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_smoothing_is_checked():
    with pytest.raises(ValueError, match=r"epsilon: .* below 1, got 1\.0"):
        losses.smoothed_cross_entropy(1.0)


def test_heads_add_their_weighted_losses():
    loss = losses.cross_entropy()
    total = losses.with_heads(loss, 0.3)
    np.testing.assert_array_equal(total(LOGITS, LABELS), loss(LOGITS, LABELS))
    heads = (2 * LOGITS, -LOGITS)
    expected = loss(LOGITS, LABELS) + 0.3 * (loss(heads[0], LABELS) + loss(heads[1], LABELS))
    np.testing.assert_allclose(total((LOGITS, heads), LABELS), expected, rtol=1e-6)
