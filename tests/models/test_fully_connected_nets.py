"""Common properties of AlexNet, ZFNet and VGG: classes, channels, sizes, types, every gradient.

Everything is traced: shapes and types of the full networks, without allocating weights.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers, models
from cnn_history.models import alexnet, network, vgg, zfnet
from tests.models import checks

NETWORKS = {*alexnet.NETWORKS, *zfnet.NETWORKS, *vgg.NETWORKS}
NAMES = [name for name in checks.DISTINCT if name in NETWORKS]
# The smallest image, and the classifier's positions at 288 pixels, by hand: fc6 takes 6 of the 7
# positions that AlexNet's trunk gives (70, 34, 16, 7), 6 of ZFNet's 8 (142, 71, 34, 17, 8) and 7 of
# VGG's 9.
SMALLEST = {"alexnet": 227, "alexnet_2012": 227, "alexnet_owt": 63, "zfnet": 207, "zfnet_b": 207}
POSITIONS = {"alexnet": 2, "alexnet_2012": 2, "alexnet_owt": 1, "zfnet": 3, "zfnet_b": 3}
POOL5 = {**dict.fromkeys(SMALLEST, 6), **dict.fromkeys(vgg.NETWORKS, 7), "alexnet_owt": 1}
# The same where fc6 is built for one position, by hand: AlexNet 67 -> 15, 7, 3, 1; ZFNet 47 -> 22,
# 11, 4, 2, 1; VGG 32 -> 16, 8, 4, 2, 1. And the positions of 32 pixels more.
FITTED = {"alexnet": 67, "alexnet_2012": 67, "zfnet": 47, "zfnet_b": 47}
FITTED_POSITIONS = {"alexnet": 2, "alexnet_2012": 2, "zfnet": 2, "zfnet_b": 2}


def logits(model, batch):
    variables = checks.variables(model, batch)
    return jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, batch)


@pytest.mark.parametrize("name", NAMES)
def test_classes_and_channels(name):
    model = models.create(name, num_classes=10)
    batch = checks.images(name, channels=1)
    assert logits(model, batch).shape == (1, 10)
    assert checks.variables(model, batch)["params"]["fc8"]["bias"].shape == (10,)
    assert models.info(name).classes == models.create(name).num_classes == 1000


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name, monkeypatch):
    """Larger images slide, the smallest is named, and is the smallest indeed."""
    model = models.create(name)
    smallest = SMALLEST.get(name, 224)
    assert checks.shapes(model, checks.images(name, smallest))["fc8"] == (1, 1, 1000)
    positions = POSITIONS.get(name, 3)
    large = checks.shapes(model, checks.images(name, 288))
    assert large["fc6"] == (positions, positions, 4096)
    assert large["fc8"] == (positions, positions, 1000)
    assert logits(model, checks.images(name, 288)).shape == (1, 1000)

    below = checks.images(name, smallest - 1)
    with pytest.raises(ValueError, match=f"the smallest is {smallest}x{smallest}"):
        checks.variables(model, below)
    for module in (alexnet, network):
        monkeypatch.setattr(module, "check_size", lambda *_: None)
    variables = checks.variables(model, checks.images(name, smallest))
    assert checks.shapes(model, below, variables)["pool5"][0] == POOL5[name] - 1


@pytest.mark.parametrize("name", [name for name in NAMES if name != "alexnet_owt"])
def test_a_classifier_that_is_built_for_the_map_that_comes(name):
    """It takes one position at the least, slides over larger ones, and is named where it helps."""
    fitted = models.create(name, fit_classifier=True)
    smallest = FITTED.get(name, 32)
    variables = checks.variables(fitted, checks.images(name, smallest))
    assert variables["params"]["fc6"]["kernel"].shape[:2] == (1, 1)
    larger = checks.shapes(fitted, checks.images(name, smallest + 32), variables)
    assert larger["fc8"] == (FITTED_POSITIONS.get(name, 2),) * 2 + (1000,)
    with pytest.raises(ValueError, match=f"the smallest is {smallest}x{smallest}"):
        checks.variables(fitted, checks.images(name, smallest - 1))
    with pytest.raises(ValueError, match=f"{smallest} with fit_classifier=true"):
        checks.variables(models.create(name), checks.images(name, smallest))
    own = checks.images(name)
    assert checks.variables(fitted, own) == checks.variables(models.create(name), own)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_computes_and_float32_keeps(name):
    model = models.create(name, dtype=jnp.bfloat16)
    batch = checks.images(name)
    variables = checks.variables(model, batch)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    assert logits(model, batch).dtype == jnp.float32
    outputs = checks.outputs(model, batch, variables)
    assert {leaf.dtype for leaf in outputs.values()} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize("norm", [None, layers.BatchNorm, layers.LocalResponseNorm])
@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_under_every_norm(name, norm):
    """Traced in training: the gradient has the parameters' shapes, the statistics are updated."""
    model = models.create(name, norm=norm, activation=jnp.tanh, dropout=0.3)
    batch = checks.images(name)
    variables = checks.variables(model, batch)

    def loss(params, rest, x):
        out, updated = model.apply(
            {"params": params, **rest},
            x,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )
        return out.sum(), updated

    params = variables["params"]
    rest = {k: v for k, v in variables.items() if k != "params"}
    gradient, updated = jax.eval_shape(jax.grad(loss, has_aux=True), params, rest, batch)
    assert gradient == params
    assert updated == rest
    assert ("batch_stats" in rest) == (norm is layers.BatchNorm)
