"""Residual networks: structure by tracing, behaviour on shallow ones, and PyTorch."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import initializers, layers, models
from cnn_history.models import resnet
from cnn_history.weights import convert
from cnn_history.weights.resnet import torch_names
from tests.models import checks
from tests.torchvision_models import create as create_torch
from tests.torchvision_models import needs_torchvision, state_dict

SHALLOW = functools.partial(resnet.CifarResNet, blocks=1)
BOTTLENECKS = functools.partial(resnet.ResNet, blocks=(1, 1, 1, 1), bottleneck=True)


@pytest.mark.parametrize("name", ["resnet50", "resnet50_v1_5", "resnet18", "resnet34"])
def test_stages_have_the_sizes_of_table_1(name):
    shapes = checks.shapes(models.create(name), checks.images(name))
    blocks = resnet.IMAGENET_BLOCKS[int(name[6:8])]
    expansion = 4 if "50" in name else 1
    assert shapes["conv1"] == (112, 112, 64)
    assert shapes["pool1"] == (56, 56, 64)
    for stage, (count, features) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True)):
        size = 56 >> stage
        assert shapes[f"conv{stage + 2}_{count}"] == (size, size, expansion * features)
        assert f"conv{stage + 2}_{count + 1}" not in shapes


def test_the_stride_is_on_the_first_1x1_as_published_and_on_the_3x3_in_v1_5():
    for name, sizes in {"resnet50": (28, 28, 28), "resnet50_v1_5": (56, 28, 28)}.items():
        shapes = checks.shapes(models.create(name), checks.images(name))
        found = [shapes[f"conv3_1/conv{i}"][0] for i in (1, 2, 3)]
        assert tuple(found) == sizes


def test_stage_ends_are_endpoints():
    model = models.create("resnet50")
    batch = checks.images("resnet50")
    weights = checks.variables(model, batch)
    _, found = jax.eval_shape(
        lambda v, x: model.apply(v, x, train=False, mutable=["intermediates"]), weights, batch
    )
    ends = {name: value[0].shape[1:] for name, value in found["intermediates"].items()}
    assert ends == {
        "conv2_x": (56, 56, 256),
        "conv3_x": (28, 28, 512),
        "conv4_x": (14, 14, 1024),
        "conv5_x": (7, 7, 2048),
    }
    assert set(weights) == {"params", "batch_stats"}


# Projections: A none, B where a stage changes the shape, C everywhere.
@pytest.mark.parametrize(
    ("name", "option", "count"),
    [
        ("resnet18", "A", 0),
        ("resnet18", "B", 3),
        ("resnet18", "C", 8),
        ("resnet50", "A", 0),
        ("resnet50", "B", 4),
        ("resnet50", "C", 16),
        ("resnet20", "A", 0),
        ("resnet20", "B", 2),
        ("resnet20", "C", 9),
    ],
)
def test_projections_by_shortcut(name, option, count):
    shapes = checks.shapes(models.create(name, shortcut=option), checks.images(name))
    assert sum(layer.endswith("conv_shortcut") for layer in shapes) == count


@pytest.mark.parametrize("make", [SHALLOW, functools.partial(resnet.ResNet, blocks=(1, 1, 1, 1))])
def test_plain_networks_add_nothing(make):
    """Where the last norm of a block gives zero, so does the block."""
    model = make(shortcut=None)
    x = jax.random.normal(jax.random.key(1), (1, 32, 32, 3))
    variables = checks.init(model, x)
    norm = variables["params"]["conv2_1"]["norm2"]
    norm["scale"] = jnp.zeros_like(norm["scale"])
    _, state = checks.apply(model, variables, x, train=False, mutable=["intermediates"])
    np.testing.assert_array_equal(state["intermediates"]["conv2_x"][0], 0)


@pytest.mark.parametrize("name", ["plain18", "plain34", "plain20", "plain56"])
def test_registered_plain_networks_have_no_shortcut(name):
    assert models.create(name).shortcut is None
    assert "shortcut" not in models.options(name)


def test_the_shortcut_is_the_identity_where_the_residual_is_zero():
    """Norm scales of zero behind the last convolution of each block leave the stem's maps."""
    model = SHALLOW()
    x = jax.random.normal(jax.random.key(1), (2, 16, 16, 3))
    variables = checks.init(model, x)
    params = variables["params"]
    for block in ("conv2_1", "conv3_1", "conv4_1"):
        params[block]["norm2"]["scale"] = jnp.zeros_like(params[block]["norm2"]["scale"])
    options = {"capture_intermediates": True, "mutable": ["intermediates"]}
    _, state = checks.apply(model, variables, x, train=False, **options)
    found = state["intermediates"]
    stem = nn.relu(found["norm1"]["__call__"][0])
    same = functools.partial(np.testing.assert_allclose, rtol=1e-6)  # one may be fused, one not
    same(found["conv2_x"][0], stem)
    # Option A: every second position, zeros for the new maps, half before and half behind.
    third = found["conv3_x"][0]
    same(third[..., 8:24], stem[:, ::2, ::2])
    np.testing.assert_array_equal(third[..., :8], 0)
    np.testing.assert_array_equal(third[..., 24:], 0)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(SHALLOW, id="basic"),
        pytest.param(functools.partial(SHALLOW, shortcut="C"), id="basic-C"),
        pytest.param(BOTTLENECKS, id="bottlenecks"),
    ],
)
def test_a_step_of_gradient_reaches_every_parameter(make):
    model = make(num_classes=5)
    x = jax.random.normal(jax.random.key(1), (4, 32, 32, 2))
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


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", ["resnet152", "resnet101_v1_5", "plain34", "resnet110"])
def test_outputs_and_parameters_are_float32_in_every_mode(name, dtype, train):
    model = models.create(name, dtype=dtype, num_classes=7)
    batch = checks.images(name, size=64, channels=1)
    weights = checks.variables(model, batch)
    logits, state = jax.eval_shape(
        lambda v, x: model.apply(v, x, train=train, mutable=["batch_stats"]), weights, batch
    )
    assert (logits.shape, logits.dtype) == ((1, 7), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype(jnp.float32)}
    assert jax.tree.structure(state["batch_stats"]) == jax.tree.structure(weights["batch_stats"])


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet20", "plain34"])
def test_convolutions_have_a_bias_only_without_normalization(name):
    for norm, expected in ((layers.BatchNorm, False), (None, True)):
        params = checks.variables(models.create(name, norm=norm), checks.images(name))["params"]
        leaves = jax.tree_util.tree_leaves_with_path(params)
        biases = {jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in leaves}
        assert ("conv1/bias" in biases) == expected
        assert ("conv2_1/conv1/bias" in biases) == expected
        assert "fc/bias" in biases


def test_other_parts_can_be_put_in():
    class Centre(nn.Module):
        dtype: jnp.dtype

        @nn.compact
        def __call__(self, x, use_running_average):
            return x - x.mean((1, 2), keepdims=True)

    model = SHALLOW(
        norm=Centre, activation=jnp.tanh, kernel_init=initializers.xavier("fan_avg", "uniform")
    )
    x = jax.random.normal(jax.random.key(1), (1, 8, 8, 3))
    variables = checks.init(model, x)
    assert set(variables) == {"params"}
    limit = (6 / (9 * 16 + 9 * 16)) ** 0.5
    assert np.abs(variables["params"]["conv2_1"]["conv1"]["kernel"]).max() <= limit
    # Behind tanh and centring of every map the pooled value of a block's sum is small.
    assert np.abs(checks.apply(model, variables, x, train=False)).max() < 1


@pytest.mark.parametrize(("name", "smallest"), [("resnet18", 32), ("resnet20", 4)])
def test_images_too_small_are_refused(name, smallest):
    model = models.create(name)
    checks.variables(model, checks.images(name, size=smallest))
    with pytest.raises(ValueError, match=f"smallest is {smallest}x{smallest}"):
        checks.variables(model, checks.images(name, size=smallest - 1))


def test_an_unknown_shortcut_is_refused():
    with pytest.raises(ValueError, match="A, B, C, got 'D'"):
        checks.variables(models.create("resnet18", shortcut="D"), checks.images("resnet18"))


# float32 sums in another order over some 50 layers: 1e-6 to 1e-5 of the largest logit is usual.
LOGITS = 1e-4
# In float64, so that the rounding that normalization over few values amplifies hides nothing.
STEP = 1e-9


def torch_and_ours(name, dtype=jnp.float32, **options):
    theirs = create_torch(name.removesuffix("_v1_5"), **options)
    model = models.create(name, dtype=dtype, **options)
    abstract = checks.variables(model, checks.images(name))
    return theirs, model, convert(state_dict(theirs), torch_names(name), abstract)


def relative(ours, theirs):
    """Largest difference over the largest value."""
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


@needs_torchvision
@pytest.mark.parametrize("name", [f"resnet{n}_v1_5" for n in (18, 34, 50, 101, 152)])
def test_logits_are_those_of_torchvision(name):
    import torch

    theirs, model, variables = torch_and_ours(name)
    x = np.random.default_rng(0).normal(size=(1, 96, 97, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    assert relative(checks.apply(model, variables, x, train=False), expected) < LOGITS


@needs_torchvision
def test_a_training_step_is_that_of_torchvision():
    """Loss, gradients of every parameter, updated statistics."""
    import torch

    with jax.enable_x64(True):
        theirs, model, variables = torch_and_ours("resnet18_v1_5", jnp.float64, num_classes=10)
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2, 64, 64, 3))
        labels = rng.integers(10, size=2)

        outputs = theirs.double().train()(torch.tensor(x.transpose(0, 3, 1, 2)))
        expected_loss = torch.nn.functional.cross_entropy(outputs, torch.tensor(labels))
        expected_loss.backward()
        gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
        updated = {name: b.numpy() for name, b in theirs.named_buffers()}
        expected = convert({**gradients, **updated}, torch_names("resnet18_v1_5"), variables)

        @jax.jit
        def step(params):
            def loss(params):
                logits, state = model.apply(
                    {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
                )
                return -(jax.nn.one_hot(labels, 10) * jax.nn.log_softmax(logits)).sum(
                    1
                ).mean(), state

            return jax.value_and_grad(loss, has_aux=True)(params)

        (loss, state), gradient = step(variables["params"])
        assert relative(loss, expected_loss.detach().numpy()) < STEP
        found = {"params": gradient, "batch_stats": state["batch_stats"]}
        differences = jax.tree.map(relative, found, expected)
        assert max(jax.tree.leaves(differences)) < STEP
