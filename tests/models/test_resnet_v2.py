"""Pre-activation networks: order of operations, shared activations, sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers, models
from cnn_history.models import resnet_v2
from tests.models import checks

TINY = {"features": (4, 8), "blocks": (2, 1), "imagenet": False, "num_classes": 3}
BASIC = functools.partial(resnet_v2.CifarResNetV2, bottleneck=False, **TINY)
BOTTLENECK = functools.partial(resnet_v2.CifarBottleneckResNetV2, bottleneck=True, **TINY)


def norm(x, params, statistics):
    y = (x - statistics["mean"]) / jnp.sqrt(statistics["var"] + 1e-5)
    return y * params["scale"] + params["bias"]


def conv(x, params, strides=1, padding=0):
    return jax.lax.conv_general_dilated(
        x,
        params["kernel"],
        (strides, strides),
        ((padding, padding),) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def randomized(model, x):
    variables = checks.init(model, x)
    leaves, structure = jax.tree.flatten(variables)
    rng = np.random.default_rng(0)
    drawn = [jnp.asarray(rng.uniform(0.3, 0.9, leaf.shape), leaf.dtype) for leaf in leaves]
    signs = [rng.choice([-1, 1], leaf.shape) if leaf.ndim > 1 else 1 for leaf in leaves]
    return jax.tree.unflatten(structure, [d * s for d, s in zip(drawn, signs, strict=True)])


@pytest.mark.parametrize("make", [BASIC, BOTTLENECK])
def test_units_are_those_of_the_formula(make):
    """Eq. 1 with fig. 4e, written out: x + F(x), F of BN, ReLU, convolution in this order."""
    model = make()
    bottleneck = make is BOTTLENECK
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    variables = randomized(model, x)
    params, stats = variables["params"], variables["batch_stats"]

    def unit(x, name, strides, projected, shared):
        p, s = params[name], stats[name]

        def activated(x, i):
            return jnp.maximum(norm(x, p[f"norm{i}"], s[f"norm{i}"]), 0)

        y = activated(x, 1)
        if shared:
            x = y
        if bottleneck:
            y = conv(y, p["conv1"], strides)
            y = conv(activated(y, 2), p["conv2"], 1, 1)
            y = conv(activated(y, 3), p["conv3"])
        else:
            y = conv(y, p["conv1"], strides, 1)
            y = conv(activated(y, 2), p["conv2"], 1, 1)
        if projected:
            x = conv(x, p["conv_shortcut"], strides)
        elif strides > 1:
            x = jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (2, 2)))
        return x + y

    def network(x):
        y = conv(x, params["conv1"], 1, 1)
        y = unit(y, "conv2_1", 1, projected=bottleneck, shared=True)
        y = unit(y, "conv2_2", 1, projected=False, shared=False)
        y = unit(y, "conv3_1", 2, projected=bottleneck, shared=True)
        y = jnp.maximum(norm(y, params["norm_last"], stats["norm_last"]), 0).mean((1, 2))
        return y @ params["fc"]["kernel"] + params["fc"]["bias"]

    found = checks.apply(model, variables, x, train=False)
    np.testing.assert_allclose(found, jax.jit(network)(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [BASIC, BOTTLENECK])
def test_a_step_of_gradient_reaches_every_parameter(make):
    model = make()
    x = jax.random.normal(jax.random.key(1), (4, 8, 8, 3))
    variables = checks.init(model, x)

    @jax.jit
    def gradient(params):
        def loss(params):
            logits, _ = model.apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            return -jax.nn.log_softmax(logits)[:, 0].mean()

        return jax.grad(loss)(params)

    for path, g in jax.tree_util.tree_leaves_with_path(gradient(variables["params"])):
        assert np.isfinite(g).all(), path
        assert np.abs(g).max() > 0, path


# The account traces 1001 layers; here that would take longest and add nothing.
@pytest.mark.parametrize("name", sorted(set(resnet_v2.NETWORKS) - {"preact_resnet1001"}))
def test_every_network_is_traced_in_float32_and_bfloat16(name):
    model = models.create(name, dtype=jnp.bfloat16, num_classes=7)
    batch = checks.images(name, size=64, channels=1)
    weights = checks.variables(model, batch)
    for train in (True, False):
        logits, _ = jax.eval_shape(
            lambda v, x, train=train: model.apply(v, x, train=train, mutable=["batch_stats"]),
            weights,
            batch,
        )
        assert (logits.shape, logits.dtype) == ((1, 7), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(
    ("name", "default", "others"),
    [
        ("preact_resnet110", 0, {"B": 2, "C": 54}),
        ("preact_resnet164", 3, {"A": 0, "C": 54}),
        ("resnet18_v2", 3, {"A": 0, "C": 8}),
        ("resnet50_v2", 4, {"A": 0, "C": 16}),
    ],
)
def test_projections_by_shortcut(name, default, others):
    def projections(**options):
        shapes = checks.shapes(models.create(name, **options), checks.images(name))
        return sum(layer.endswith("conv_shortcut") for layer in shapes)

    assert projections() == default
    assert {option: projections(shortcut=option) for option in others} == others


def test_bottlenecks_halve_where_the_docstring_says():
    for name, sizes in {"resnet50_v2": (56, 28, 28), "preact_resnet164": (16, 16, 16)}.items():
        shapes = checks.shapes(models.create(name), checks.images(name))
        assert tuple(shapes[f"conv3_1/conv{i}"][0] for i in (1, 2, 3)) == sizes


def test_projections_are_bare_and_biases_come_without_normalization():
    for norm_class, biased in ((layers.BatchNorm, False), (None, True)):
        model = models.create("resnet50_v2", norm=norm_class)
        unit = checks.variables(model, checks.images("resnet50_v2"))["params"]["conv2_1"]
        assert "norm_shortcut" not in unit
        assert ("norm1" in unit) != biased
        assert ("bias" in unit["conv1"]) == biased


@pytest.mark.parametrize(("name", "smallest"), [("resnet18_v2", 32), ("preact_resnet110", 4)])
def test_wrong_requests_are_refused(name, smallest):
    with pytest.raises(ValueError, match=f"smallest is {smallest}x{smallest}"):
        checks.variables(models.create(name), checks.images(name, size=smallest - 1))
    for shortcut in ("D", None):
        with pytest.raises(ValueError, match=f"A, B, C, got '{shortcut}'"):
            checks.variables(models.create(name, shortcut=shortcut), checks.images(name))
