"""Conclusions of the studies of normalization from given numbers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import layers, optimizers
from cnn_history.models.resnet import CifarResNet
from cnn_history.studies import batch_norm_measures as bn
from cnn_history.studies import batch_norm_nets, train
from cnn_history.studies import decorrelated_batch_normalization as dbn

SEEDS = np.array([1.0, 1.01, 0.99])


def test_gradients_that_spread_less_are_a_gain():
    """Without batch norm two decades between layers, with it none; and the other way round."""
    even = {"conv1": SEEDS, "conv2": SEEDS}
    uneven = {"conv1": SEEDS, "conv2": 100 * SEEDS}
    np.testing.assert_allclose(bn.flow_gain({bn.BARE: uneven, bn.NORMED: even}), 1.0)
    np.testing.assert_allclose(bn.flow_gain({bn.BARE: even, bn.NORMED: uneven}), -1.0)


def test_gradients_that_keep_their_size_are_a_gain():
    """Two decades less for small kernels without batch norm, half a decade more with it."""
    he = {"conv1": SEEDS, "conv2": 10 * SEEDS}
    small = {"conv1": SEEDS / 100, "conv2": SEEDS / 10}
    more = {"conv1": SEEDS * 10**0.5, "conv2": 10 * SEEDS * 10**0.5}
    flow = {bn.SMALL: {bn.BARE: small, bn.NORMED: more}, 1.0: {bn.BARE: he, bn.NORMED: he}}
    np.testing.assert_allclose(bn.scale_gain(flow), 1.5)


def test_the_largest_rate_is_the_last_that_trains():
    ends = np.full((2, len(bn.RATES)), np.inf)
    ends[0, [0, 3]] = 0.1
    assert bn.largest_rate(ends).tolist() == [bn.RATES[3], bn.RATES[0] / 2]
    higher = ends.copy()
    higher[:, 5] = 0.1
    assert bn.rate_gain({bn.BARE: ends, bn.NORMED: higher}).tolist() == [2.0, 6.0]


def test_initialization_counts_the_sizes_that_train():
    """From all of them, against all but two: one that diverges, and one that stays at chance."""
    steady = np.full((3, len(bn.GAINS)), 0.5)
    choosy = steady.copy()
    choosy[:, 0], choosy[:, -1] = bn.CHANCE, np.inf
    assert bn.initialization_gain({bn.BARE: choosy, bn.NORMED: steady}).tolist() == [2, 2, 2]
    assert bn.initialization_gain({bn.BARE: steady, bn.NORMED: choosy}).tolist() == [-2, -2, -2]


def test_dropout_is_needed_less_where_it_gains_less():
    errors = {"neither": 0.10, "dropout": 0.06, "batch norm": 0.05, "both": 0.04}
    errors = {net: np.full(3, error) for net, error in errors.items()}
    np.testing.assert_allclose(bn.regularization_gain(errors), 0.05)
    np.testing.assert_allclose(bn.dropout_gain(errors), 0.03)


def test_a_training_is_momentum_of_the_weights_that_the_gain_scales():
    """Two updates against the package's own rule, on a batch that is all of the data."""
    images = jax.random.normal(jax.random.key(0), (8, 8, 8, 1))
    labels = jnp.arange(8)
    network = batch_norm_nets.Net(features=(4,), convolutions=1)
    trainer = train.trainer(
        network,
        optimizers.momentum,
        (images, labels),
        8,
        observe=train.watching(batch_norm_nets.kernels_rms),
    )
    made = list(itertools.islice(trainer(train.keys(3), 0.05, gain=1.5), 2))

    @jax.jit
    def expected():
        start, *_ = jax.random.split(jax.random.key(3), 3)
        params = network.init(start, images, train=False)["params"]
        params = jax.tree.map(lambda p: 1.5 * p if p.ndim > 1 else p, params)
        rule = optimizers.momentum(0.05)
        state, losses, rms = rule.init(params), [], []

        def loss(params):
            return train.mean_cross_entropy(
                network.apply({"params": params}, images, train=True), labels
            )

        for _ in range(2):
            value, gradient = jax.value_and_grad(loss)(params)
            changes, state = rule.update(gradient, state)
            params = optax.apply_updates(params, changes)
            losses.append(value)
            rms.append(jnp.sqrt(jnp.mean(gradient["conv1_1"]["kernel"] ** 2)))
        return losses, rms, params

    losses, rms, params = expected()
    np.testing.assert_allclose([u.seen.loss for u in made], losses, rtol=1e-5)
    np.testing.assert_allclose([u.seen.gradient["conv1_1"] for u in made], rms, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(made[-1].state.params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_whitening_leaves_only_the_diagonal_of_a_group():
    """Pixels of three colours have full rank in 16 features; epsilon hides the rest."""
    images = jax.random.normal(jax.random.key(0), (16, 8, 8, 3))
    found = dbn.features_covariances(images)
    np.testing.assert_allclose(np.diag(found["before"]), 1, rtol=1e-3)
    np.testing.assert_allclose(found["batch norm"], found["before"], atol=2e-3)
    assert dbn.off_diagonal(found["DBN, groups of 16"]) < 1e-3 < dbn.off_diagonal(found["before"])
    block = found["DBN, groups of 4"][:4, :4]
    np.testing.assert_allclose(block, np.eye(4), atol=2e-3)


def test_every_norm_has_the_same_number_of_parameters():
    def count(norm):
        network = CifarResNet(1, norm=norm)
        made = jax.eval_shape(
            lambda: network.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False)
        )
        return sum(p.size for p in jax.tree.leaves(made["params"]))

    assert len({count(norm) for norm in dbn.NORMS.values()}) == 1
    assert dbn.NORMS[dbn.BATCH_NORM] is layers.BatchNorm


@pytest.mark.parametrize(("better", "words"), [(True, "loss, yes"), (False, "loss, no")])
def test_whitening_is_said_to_help_only_where_it_does(better, words):
    covariances = {"before": np.full((4, 4), 0.5), "after": np.eye(4)}
    losses = {name: np.ones((3, 5)) * SEEDS[:, None] for name in dbn.NORMS}
    losses[dbn.BATCH_NORM] = losses[dbn.BATCH_NORM] + (0.5 if better else -0.5)
    errors = {name: 0.1 * SEEDS[:, None] for name in dbn.NORMS}
    said = dbn.answer(covariances, dict.fromkeys(dbn.NORMS, 1234), losses, errors)
    assert said.count(words) == 3
    assert "0.500 before, 0.000 after" in said
    assert "Nets of 1,234 parameters" in said
