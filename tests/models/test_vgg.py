"""VGG, against table 1 and 2 of its paper and torchvision's counts."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import initializers, layers, models
from cnn_history.models import vgg
from tests.models import checks
from tests.shared import SHARED, needs_shared

# Table 2, in millions (A and A-LRN share a column there).
TABLE_2 = {"vgg11": 133, "vgg11_lrn": 133, "vgg13": 133, "vgg16_c": 134, "vgg16": 138, "vgg19": 144}
COUNTS = {
    "vgg11": 132_863_336,
    "vgg11_lrn": 132_863_336,  # normalization of maps by their neighbours has no parameters
    "vgg13": 133_047_848,
    "vgg16_c": 133_638_952,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
}
# Maps of each column's convolutions, all 3x3; torchvision's batch normalizations follow each.
MAPS = {
    "vgg11": [64, 128, 256, 256, 512, 512, 512, 512],
    "vgg13": [64, 64, 128, 128, 256, 256, 512, 512, 512, 512],
    "vgg16": [64, 64, 128, 128, *3 * [256], *6 * [512]],
    "vgg19": [64, 64, 128, 128, *4 * [256], *8 * [512]],
}


def by_hand(name):
    """Return the sum of 3x3 filters, biases, the classifier, and a scale and shift a map."""
    column = name.removesuffix("_bn")
    maps = MAPS[column]
    count = sum(m * (9 * c + 1) for c, m in zip([3, *maps[:-1]], maps, strict=True))
    count += 4096 * (7 * 7 * 512 + 1) + 4096 * 4097 + 1000 * 4097
    return count + (2 * sum(maps) if name.endswith("_bn") else 0)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name):
    count = checks.parameters(checks.variables(models.create(name), checks.images(name)))
    assert count == COUNTS[name]
    if name in TABLE_2:
        assert round(count / 1e6) == TABLE_2[name]
    if name.removesuffix("_bn") in MAPS:
        assert count == by_hand(name)


@needs_shared
def test_parameters_are_those_of_the_facts():
    facts = json.loads((SHARED / "facts/networks.json").read_text())
    for name in COUNTS:
        if name in facts["names"]:
            assert facts["networks"][facts["names"][name]]["params"] == COUNTS[name]
        elif name != "vgg11_lrn":
            assert facts["torch_models"][f"tv_{name}"]["params"] == COUNTS[name]


@needs_shared
def test_every_layers_output_is_that_of_the_facts():
    """VGG16, the lecture's listing."""
    facts = json.loads((SHARED / "facts/networks.json").read_text())["layers"]["vgg_D"]
    ours = checks.shapes(models.create("vgg16"), checks.images("vgg16"))
    for row in facts:
        expected = [1, 1, row["out"][-1]] if row["op"] == "fc" else row["out"]
        assert list(ours[row["name"]]) == expected, row["name"]


@pytest.mark.parametrize("name", COUNTS)
def test_depth_is_that_of_the_name(name):
    abstract = checks.variables(models.create(name), checks.images(name))
    weights = [layer for layer, leaves in abstract["params"].items() if "kernel" in leaves]
    assert len(weights) == int(re.search(r"\d+", name)[0])


def test_c_has_three_convolutions_of_1x1():
    batch = checks.images("vgg16_c")
    params = checks.variables(models.create("vgg16_c"), batch)["params"]
    kernels = {name: leaves["kernel"].shape for name, leaves in params.items()}
    pointwise = {name for name, shape in kernels.items() if shape[:2] == (1, 1)}
    assert pointwise == {"conv3_3", "conv4_3", "conv5_3"}
    assert checks.shapes(models.create("vgg16_c"), batch)["conv3_3"] == (56, 56, 256)


def test_batch_normalization_follows_every_convolution_and_biases_stay():
    abstract = checks.variables(models.create("vgg16_bn"), checks.images("vgg16_bn"))
    convolutions = {layer for layer in abstract["params"] if layer.startswith("conv")}
    assert len(convolutions) == 13
    expected = {layer.replace("conv", "norm") for layer in convolutions}
    assert abstract["batch_stats"].keys() == expected
    assert all("bias" in abstract["params"][layer] for layer in convolutions)


# Thin columns: table 1's entries with few maps. Behind 1x1 convolutions, which do not pad, what the
# network gives for a crop depends on the crop alone; one position of pool5 is 2^5 pixels.
THIN = ("conv3-4 LRN", "conv3-4 conv1-6", "conv3-6", "conv3-8", "conv3-8 conv3-8")
POINTWISE = ("conv1-4", "conv1-4", "conv1-6", "conv1-6", "conv1-8")
STRIDE = 32


@pytest.fixture
def thin(monkeypatch):
    """Return (column, size, options) -> (model, variables, image), all layers narrow."""
    monkeypatch.setitem(vgg.TABLE_1, "thin", THIN)
    monkeypatch.setitem(vgg.TABLE_1, "pointwise", POINTWISE)
    monkeypatch.setattr(vgg, "FC6", 512)
    monkeypatch.setattr(vgg, "FC7", 256)

    def make(column, size=224, **options):
        model = vgg.VGG(column, num_classes=7, kernel_init=initializers.he(), **options)
        image = np.random.default_rng(0).normal(size=(1, size, size, 3)).astype(np.float32)
        return model, checks.init(model, jnp.zeros((1, 224, 224, 3))), image

    return make


def test_lrn_normalizes_the_first_activations(thin):
    """A-LRN: conv3-64, its activation, LRN, maxpool."""
    model, variables, image = thin("thin")
    _, ends = checks.endpoints(model, variables, 100 * image, train=False)
    normalized = layers.local_response_norm(jax.nn.relu(ends["conv1_1"]))
    np.testing.assert_allclose(ends["lrn1"], normalized, rtol=1e-6)
    pooled = layers.MaxPool((2, 2), (2, 2)).apply({}, ends["lrn1"])
    np.testing.assert_allclose(ends["pool1"], pooled, rtol=1e-6)  # fused with what it pools


def test_larger_images_give_the_mean_over_sliding_crops(thin):
    model, variables, image = thin("pointwise", 224 + STRIDE)
    offsets = [(i, j) for i in (0, STRIDE) for j in (0, STRIDE)]
    crops = np.concatenate([image[:, i : i + 224, j : j + 224] for i, j in offsets])
    each = checks.apply(model, variables, crops, train=False)
    assert np.ptp(each, axis=0).max() > 0.01  # the crops do differ
    dense = checks.apply(model, variables, image, train=False)
    np.testing.assert_allclose(dense, each.mean(0, keepdims=True), rtol=1e-5, atol=1e-5)


def test_dropout_is_on_in_training_only(thin):
    model, variables, image = thin("thin")
    rngs = {"dropout": jax.random.key(0)}
    _, ends = checks.endpoints(model, variables, image, train=True, rngs=rngs)
    for fc, drop in (("fc6", "drop6"), ("fc7", "drop7")):
        before, after = jax.nn.relu(ends[fc]), ends[drop]
        alive = before > 0
        assert np.mean(after[alive] == 0) == pytest.approx(0.5, abs=0.1)
        kept = alive & (after != 0)
        np.testing.assert_allclose(after[kept], 2 * before[kept], rtol=1e-6)
    evaluated = checks.apply(model, variables, image, train=False)
    off = checks.apply(thin("thin", dropout=0.0)[0], variables, image, train=True)
    np.testing.assert_allclose(evaluated, off, rtol=1e-6)


def test_norm_stands_before_the_activation(thin):
    """With the normalization's shift far below zero nothing passes the activation behind it."""
    model, variables, image = thin("thin", norm=layers.BatchNorm)
    variables["params"]["norm1_1"]["bias"] = jnp.full(4, -100.0)
    _, ends = checks.endpoints(model, variables, image, train=False)
    assert ends["norm1_1"].max() < 0
    assert ends["lrn1"].max() == 0


def test_statistics_are_updated_in_training(thin):
    model, variables, image = thin("thin", norm=layers.BatchNorm, dropout=0.0)
    updated = checks.updated_statistics(model, variables, image)
    assert updated == variables["batch_stats"].keys()


def test_bfloat16_is_near_float32(thin):
    """Eight bits through ten layers: 1.2 % of the logits' size measured, 5 % allowed."""
    model, variables, image = thin("thin")
    expected = checks.apply(model, variables, image, train=False)
    logits = checks.apply(thin("thin", dtype=jnp.bfloat16)[0], variables, image, train=False)
    assert logits.dtype == jnp.float32
    assert np.linalg.norm(logits - expected) < 0.05 * np.linalg.norm(expected)
    assert not np.array_equal(logits, expected)


def gradient_is_finite(model, params, image):
    """Assert that every parameter has a finite gradient, not everywhere zero."""
    sizes = checks.gradient_sizes(model, params, image)
    for path, size in jax.tree_util.tree_leaves_with_path(sizes):
        assert 0 < size < np.inf, path


def test_gradient_is_finite(thin):
    model, variables, image = thin("thin", dropout=0.0)
    gradient_is_finite(model, variables["params"], image)


@pytest.mark.slow
def test_gradient_of_the_whole_vgg11_is_finite():
    rng = np.random.default_rng(0)
    model = models.create("vgg11", dropout=0.0)
    abstract = checks.variables(model, checks.images("vgg11"))["params"]
    params = jax.tree.map(lambda p: rng.uniform(-0.03, 0.03, p.shape).astype(np.float32), abstract)
    gradient_is_finite(model, params, rng.normal(size=(1, 224, 224, 3)).astype(np.float32))
