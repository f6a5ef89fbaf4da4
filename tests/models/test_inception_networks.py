"""Common properties of the networks of Inception modules."""

import functools
import importlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import initializers, layers, models
from tests.models import checks, drawn

NAMES = ("googlenet", "googlenet_bn", "bn_inception", "inception_v3")
FILES = {name: name.removesuffix("_bn") for name in NAMES}
SMALLEST = (
    ("googlenet", {}, 31),
    ("googlenet", {"aux_heads": True}, 223),
    ("googlenet_bn", {}, 15),
    ("googlenet_bn", {"aux_heads": True}, 15),
    ("bn_inception", {}, 7),
    ("inception_v3", {}, 75),
    ("inception_v3", {"aux_heads": True}, 299),
)


@pytest.mark.parametrize(("name", "options", "smallest"), SMALLEST)
def test_smallest_image(monkeypatch, name, options, smallest):
    model = models.create(name, **options)
    reference = checks.of_size(model, (*models.info(name).input[:2], 3))
    variables = checks.of_size(model, (smallest, smallest + 1, 3))
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, reference)
    with pytest.raises(ValueError, match=rf"{smallest - 1}.*the smallest is {smallest}x{smallest}"):
        checks.of_size(model, (smallest + 1, smallest - 1, 3))

    # Below it the network really cannot work: a map without positions, or a layer that refuses.
    module = importlib.import_module(f"cnn_history.models.{FILES[name]}")
    monkeypatch.setattr(module, "check_size", lambda *_: None)
    try:
        variables = checks.of_size(model, (smallest - 1, smallest - 1, 3))
        outputs = jax.eval_shape(
            functools.partial(_in_training, model), variables, checks.images(name, smallest - 1)
        )
    except (ValueError, TypeError, ZeroDivisionError):
        return
    same = jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, reference)
    assert any(0 in leaf.shape for leaf in jax.tree.leaves(outputs)) or not same


def _in_training(model, variables, images):
    """Return all that the layers put out, those of the heads too."""
    return model.apply(
        variables,
        images,
        train=True,
        rngs={"dropout": jax.random.key(0)},
        capture_intermediates=True,
        mutable=["intermediates", "batch_stats"],
    )


@pytest.mark.parametrize(("name", "smallest"), [("googlenet", 31), ("inception_v3", 75)])
def test_with_heads_evaluation_takes_what_the_network_takes(name, smallest):
    model = models.create(name, aux_heads=True)
    variables = checks.of_size(model, (*models.info(name).input[:2], 3))
    images = jnp.zeros((2, smallest, smallest, 3))
    logits = jax.eval_shape(lambda v: model.apply(v, images, train=False), variables)
    assert logits.shape == (2, 1000)
    with pytest.raises(ValueError, match="the smallest is"):
        jax.eval_shape(lambda v: model.apply(v, images, train=True), variables)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_options(name, dtype):
    """Classes, channels, sizes and the swaps of ingredients, in both dtypes and both modes."""
    images = jnp.zeros((2, 97, 80, 4))
    for norm in (None, layers.BatchNorm, functools.partial(layers.BatchNorm, momentum=0.5)):
        model = models.create(
            name,
            num_classes=10,
            dtype=dtype,
            norm=norm,
            dropout=0.5,
            activation=nn.tanh,
            kernel_init=initializers.gaussian(0.01),
        )
        variables = checks.of_size(model, images.shape[1:])
        assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
        for train in (False, True):
            run = functools.partial(
                model.apply, train=train, rngs={"dropout": jax.random.key(0)}, mutable="batch_stats"
            )
            logits, _ = jax.eval_shape(run, variables, images)
            assert (logits.shape, logits.dtype) == ((2, 10), jnp.float32)


# All nets take half a minute each to compile; in the ordinary suite the first one stands for them.
@pytest.mark.parametrize(
    "name",
    [name if name == NAMES[0] else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_gradient_step_in_bfloat16(name):
    size = {"inception_v3": 75}.get(name, 64)
    heads = {"aux_heads": True} if name == "googlenet_bn" else {}
    model = models.create(name, num_classes=5, dtype=jnp.bfloat16, **heads)
    images, labels = drawn.images(4, size, size, 3), np.array([0, 1, 2, 3])
    variables = drawn.draw(checks.of_size(model, images.shape[1:]))
    params, stats = variables["params"], variables.get("batch_stats", {})

    @drawn.jit
    def gradient(params):
        def loss(params):
            outputs, state = model.apply(
                {"params": params, "batch_stats": stats},
                images,
                train=True,
                rngs={"dropout": jax.random.key(0)},
                mutable=["batch_stats"],
            )
            cross_entropy = optax.softmax_cross_entropy_with_integer_labels
            losses = [cross_entropy(logits, labels).mean() for logits in jax.tree.leaves(outputs)]
            return sum(losses), state

        return jax.value_and_grad(loss, has_aux=True)(params)

    (loss, state), gradients = gradient(params)
    assert np.isfinite(loss)
    for path, leaf in jax.tree.leaves_with_path(gradients):
        assert np.isfinite(leaf).all(), path
        assert np.any(leaf != 0), path  # everything takes part
    for path, leaf in jax.tree.leaves_with_path(state):
        assert np.isfinite(leaf).all(), path
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), state.get("batch_stats", {}), stats)
    assert all(jax.tree.leaves(moved))
