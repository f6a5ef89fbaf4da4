"""Class scores by position, and features."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import models
from cnn_history.models.resnet import CifarResNet

# A classifier behind fully-connected layers, by distances at that, and one behind global pooling.
NETWORKS = {
    "lenet5_1998": models.create("lenet5_1998"),
    "resnet": CifarResNet(blocks=1, features=(4, 4, 4)),
}
POSITIONS = {"lenet5_1998": (2, 3), "resnet": (9, 10)}
STRIDE = 4  # of a position of LeNet-5 in its image


@functools.cache
def computed(name):
    """Return images, their scores by position and logits, and the logits of every own-size crop."""
    model, images = NETWORKS[name], jax.random.normal(jax.random.key(0), (2, 36, 40, 1))
    crops = [images[:, t : t + 32, l : l + 32] for t in (0, STRIDE) for l in (0, STRIDE, 8)]  # noqa: E741

    shapes = jax.eval_shape(lambda: model.init(jax.random.key(1), images[:1], train=False))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda p: rng.uniform(-0.1, 0.1, p.shape).astype(p.dtype), shapes)
    variables["batch_stats"] = jax.tree.map(np.abs, variables.get("batch_stats", {}))

    @jax.jit
    def run(variables):
        scores = models.scores_by_position(model, variables, images)
        logits = model.apply(variables, images, train=False)
        return scores, logits, model.apply(variables, jnp.concatenate(crops), train=False)

    return run(variables)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_logits_are_the_mean_of_the_scores_by_position(name):
    scores, logits, _ = computed(name)
    assert scores.shape == (2, *POSITIONS[name], 10)
    assert np.std(scores, (1, 2)).min() > 1e-3
    np.testing.assert_allclose(scores.mean((1, 2)), logits, rtol=1e-5, atol=1e-5)


def test_without_padding_each_position_is_the_network_on_its_own_crop():
    """Sums in float32 in another order."""
    scores, logits, crops = computed("lenet5_1998")
    expected = crops.reshape(2, 3, 2, 10).transpose(2, 0, 1, 3)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(logits, expected.mean((1, 2)), rtol=1e-4, atol=1e-4)


def small(name):
    """Return a network, its variables and images."""
    model, images = NETWORKS[name], jax.random.normal(jax.random.key(0), (2, 32, 32, 1))
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(1), images, train=False))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda p: rng.uniform(0, 0.1, p.shape).astype(p.dtype), shapes)
    return model, variables, images


def test_features_are_what_the_next_layer_gets():
    model, variables, images = small("lenet5_1998")

    def compute(variables):
        return [models.features(model, variables, images, name) for name in ("c5", "f6", "output")]

    c5, f6, output = jax.jit(compute)(variables)
    assert c5.shape == (2, 1, 1, 120)
    dense = variables["params"]["f6"]
    expected = 1.7159 * np.tanh(2 / 3 * (c5 @ dense["kernel"] + dense["bias"]))
    np.testing.assert_allclose(f6, expected, rtol=1e-4, atol=1e-5)
    logits = jax.jit(lambda v: model.apply(v, images, train=False))(variables)
    np.testing.assert_allclose(output, logits, rtol=1e-5)
    with pytest.raises(ValueError, match=r"unknown endpoint .fc6"):
        jax.eval_shape(lambda v: models.features(model, v, images, "fc6"), variables)


def test_stages_are_endpoints():
    model, variables, images = small("resnet")
    found = {
        name: jax.eval_shape(lambda v, n=name: models.features(model, v, images, n), variables)
        for name in ("conv2_x", "conv3_x", "conv4_x", "conv4_1", "pool")
    }
    assert [v.shape for v in found.values()] == [
        *[(2, 32, 32, 4), (2, 16, 16, 4), (2, 8, 8, 4), (2, 8, 8, 4), (2, 4)]
    ]


def test_alexnets_fc7():
    model = models.create("alexnet")
    image = jax.ShapeDtypeStruct((1, 227, 227, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    for name, shape in {"pool5": (1, 6, 6, 256), "fc7": (1, 1, 1, 4096)}.items():
        found = jax.eval_shape(
            lambda v, x, n=name: models.features(model, v, x, n), variables, image
        )
        assert found.shape == shape
