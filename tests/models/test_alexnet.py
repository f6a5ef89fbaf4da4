"""The three AlexNets, against their papers and against PyTorch."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import initializers, layers, models
from cnn_history.models import alexnet
from cnn_history.weights.convert import convert
from tests.models import checks
from tests.shared import SHARED, needs_shared
from tests.torchvision_models import randomize, state_dict

NAMES = ("alexnet", "alexnet_2012", "alexnet_owt")
FACTS = {"alexnet": "alexnet_lecture_ungrouped", "alexnet_2012": "alexnet_paper_grouped"}
IMAGE = np.random.default_rng(0).normal(size=(1, 227, 227, 3)).astype(np.float32)

# A thin AlexNet whose layers behind conv1 do not pad: what it gives for a crop depends on the crop
# alone, so that it can slide exactly. One position of pool5 is 4 · 2 · 2 · 2 pixels.
THIN = (
    alexnet.Convolution("conv1", 4, 11, 4, 0, False, 0.0, ("norm", "pool")),
    alexnet.Convolution("conv2", 6, 1, 1, 0, True, 1.0, ("norm", "pool")),
    alexnet.Convolution("conv3", 4, 1, 1, 0, False, 0.0, ("pool",)),
)
STRIDE = 32


def thin(**options):
    return alexnet.AlexNet(THIN, 2, num_classes=7, kernel_init=initializers.he(), **options)


@pytest.fixture
def narrow(monkeypatch):
    """Make fc6 and fc7 narrow, which no option does."""
    monkeypatch.setattr(alexnet, "FC6", 512)
    monkeypatch.setattr(alexnet, "FC7", 256)


# Sec. 3.5 and 5, layer by layer: kernel volume as a unit sees it, maps.
HAND_COUNTS = {
    "alexnet_2012": [
        (11 * 11 * 3, 96),
        (5 * 5 * 48, 256),
        (3 * 3 * 256, 384),
        (3 * 3 * 192, 384),
        (3 * 3 * 192, 256),
        (6 * 6 * 256, 4096),
        (4096, 4096),
        (4096, 1000),
    ],
    "alexnet": [
        (11 * 11 * 3, 96),
        (5 * 5 * 96, 256),
        (3 * 3 * 256, 384),
        (3 * 3 * 384, 384),
        (3 * 3 * 384, 256),
        (6 * 6 * 256, 4096),
        (4096, 4096),
        (4096, 1000),
    ],
    "alexnet_owt": [
        (11 * 11 * 3, 64),
        (5 * 5 * 64, 192),
        (3 * 3 * 192, 384),
        (3 * 3 * 384, 256),
        (3 * 3 * 256, 256),
        (6 * 6 * 256, 4096),
        (4096, 4096),
        (4096, 1000),
    ],
}


@pytest.mark.parametrize(
    ("name", "count"),
    [("alexnet", 62_378_344), ("alexnet_2012", 60_965_224), ("alexnet_owt", 61_100_840)],
)
def test_parameters(name, count):
    assert sum(units * (volume + 1) for volume, units in HAND_COUNTS[name]) == count
    abstract = checks.variables(models.create(name), checks.images(name))
    assert checks.parameters(abstract) == count


@needs_shared
@pytest.mark.parametrize("name", FACTS)
def test_every_layers_output_is_that_of_the_facts(name):
    facts = json.loads((SHARED / "facts/networks.json").read_text())["layers"][FACTS[name]]
    ours = checks.shapes(models.create(name), checks.images(name))
    names = {"pool3": "pool5"}  # Caffe's and the lecture's name of the third pooling
    for row in facts:
        layer = names.get(row["name"], row["name"])
        expected = [1, 1, row["out"][-1]] if row["op"] == "fc" else row["out"]
        assert list(ours[layer]) == expected, layer


def test_order_of_normalization_and_pooling():
    """The paper normalizes the 55x55 maps, the lecture the pooled 27x27."""
    for name, size in (("alexnet_2012", 55), ("alexnet", 27)):
        ours = checks.shapes(models.create(name), checks.images(name))
        assert ours["norm1"] == (size, size, 96)
        assert ours["pool1"] == (27, 27, 96)
    assert not any(
        layer.startswith("norm")
        for layer in checks.shapes(models.create("alexnet_owt"), checks.images("alexnet_owt"))
    )


def test_224_is_refused_by_name():
    with pytest.raises(ValueError, match="224x224; the smallest is 227x227"):
        checks.variables(models.create("alexnet_2012"), checks.images("alexnet_2012", 224))


@pytest.mark.parametrize("name", NAMES)
def test_biases_start_as_in_section_5(name):
    model = models.create(name, kernel_init=initializers.constant(0.0))
    abstract = checks.images(name)
    params = checks.init(model, jnp.zeros(abstract.shape))["params"]
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for layer, leaves in params.items():
        expected = 1.0 if layer in ones else 0.0
        assert np.unique(leaves["bias"]).tolist() == [expected], layer


def test_kernels_start_with_standard_deviation_001(narrow):
    model = alexnet.AlexNet(THIN)
    params = checks.init(model, IMAGE)["params"]
    for layer in ("fc6", "fc7", "fc8"):
        kernel = np.asarray(params[layer]["kernel"])
        assert kernel.std() == pytest.approx(0.01, rel=0.01)
        assert np.abs(kernel).max() > 0.03  # not truncated


@pytest.fixture
def sliding(narrow):
    """Return (model, variables, image of two by two positions) of the thin network."""
    model = thin()
    variables = checks.init(model, IMAGE)
    size = 227 + STRIDE
    image = np.random.default_rng(1).normal(size=(1, size, size, 3)).astype(np.float32)
    return model, variables, image


def test_larger_images_give_the_mean_over_sliding_crops(sliding):
    model, variables, image = sliding
    offsets = [(i, j) for i in (0, STRIDE) for j in (0, STRIDE)]
    crops = np.concatenate([image[:, i : i + 227, j : j + 227] for i, j in offsets])
    each = checks.apply(model, variables, crops, train=False)
    assert np.ptp(each, axis=0).max() > 0.1  # the crops do differ
    dense = checks.apply(model, variables, image, train=False)
    np.testing.assert_allclose(dense, each.mean(0, keepdims=True), rtol=1e-5, atol=1e-5)


def test_dropout_is_on_in_training_only(sliding):
    model, variables, _ = sliding
    _, ends = checks.endpoints(
        model, variables, IMAGE, train=True, rngs={"dropout": jax.random.key(0)}
    )
    for fc, drop in (("fc6", "drop6"), ("fc7", "drop7")):
        before, after = jax.nn.relu(ends[fc]), ends[drop]
        alive = before > 0
        assert np.mean(after[alive] == 0) == pytest.approx(0.5, abs=0.05)
        kept = alive & (after != 0)
        np.testing.assert_allclose(after[kept], 2 * before[kept], rtol=1e-6)
    evaluated = checks.apply(model, variables, IMAGE, train=False)
    off = checks.apply(thin(dropout=0.0), variables, IMAGE, train=True)
    np.testing.assert_allclose(evaluated, off, rtol=1e-6)


def test_torchvisions_dropout_comes_before_fc6(narrow):
    """With every value of pool5 dropped, fc6 gives its bias alone."""
    model = alexnet.AlexNetOWT(THIN[:1], dropout=1.0, kernel_init=initializers.he())
    variables = checks.init(model, IMAGE)
    rngs = {"dropout": jax.random.key(0)}
    _, ends = checks.endpoints(model, variables, IMAGE, train=True, rngs=rngs)
    np.testing.assert_array_equal(ends["fc6"], 1.0)


def test_norm_stands_where_the_paper_normalizes(sliding):
    model, variables, _ = sliding
    plain = thin(norm=None)
    assert checks.variables(plain, IMAGE).keys() == {"params"}
    assert not np.allclose(
        checks.apply(plain, variables, 100 * IMAGE, train=False),
        checks.apply(model, variables, 100 * IMAGE, train=False),
        rtol=1e-2,
    )
    swapped = thin(norm=layers.BatchNorm, dropout=0.0)
    weights = checks.init(swapped, IMAGE)
    assert weights["batch_stats"].keys() == {"norm1", "norm2"}
    assert checks.updated_statistics(swapped, weights, IMAGE) == {"norm1", "norm2"}
    assert "bias" in weights["params"]["conv1"]


def test_bfloat16_is_near_float32(sliding):
    """Eight bits through six layers: 0.3 % of the logits' size measured, 3 % allowed."""
    model, variables, _ = sliding
    expected = checks.apply(model, variables, IMAGE, train=False)
    logits = checks.apply(thin(dtype=jnp.bfloat16), variables, IMAGE, train=False)
    assert logits.dtype == jnp.float32
    assert np.linalg.norm(logits - expected) < 0.03 * np.linalg.norm(expected)
    assert not np.array_equal(logits, expected)


def test_a_gradient_of_the_whole_network_is_finite():
    """The lecture's, 62 million parameters, one image; every parameter takes part."""
    model = models.create("alexnet", dropout=0.0, kernel_init=initializers.he())
    abstract = checks.variables(model, IMAGE)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: rng.uniform(-0.03, 0.03, leaf.shape).astype(np.float32), abstract["params"]
    )

    sizes = checks.gradient_sizes(model, params, IMAGE)
    for path, size in jax.tree_util.tree_leaves_with_path(sizes):
        assert 0 < size < np.inf, path


def torch_alexnet(convolutions, groups):
    """Return AlexNet in plain PyTorch, modules under our names, from a table.

    `groups`: of conv1 to conv5.
    """
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            channels = 3
            for row, group in zip(convolutions, groups, strict=True):
                conv = nn.Conv2d(
                    channels, row.maps, row.kernel, row.stride, row.padding, groups=group
                )
                setattr(self, row.name, conv)
                channels = row.maps
            self.fc6 = nn.Linear(channels * 36, 4096)
            self.fc7 = nn.Linear(4096, 4096)
            self.fc8 = nn.Linear(4096, 1000)
            # torch divides alpha by the window
            self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
            self.pool = nn.MaxPool2d(3, 2)

        def forward(self, x):
            for row in convolutions:
                x = torch.relu(getattr(self, row.name)(x))
                for step in row.then:
                    x = getattr(self, step)(x)
            x = torch.relu(self.fc6(torch.flatten(x, 1)))
            return self.fc8(torch.relu(self.fc7(x)))

    return randomize(Net())


@pytest.mark.parametrize("name", ["alexnet", "alexnet_2012"])
def test_against_pytorch(name):
    """The whole network on the same weights, values large enough that LRN matters.

    Float32; sums of up to 9,216 terms through eight layers: 1e-4 of the largest logit allowed.
    """
    torch = pytest.importorskip("torch")
    model = models.create(name)
    table, groups = {
        "alexnet": (alexnet.LECTURE, (1, 1, 1, 1, 1)),
        "alexnet_2012": (alexnet.PAPER, (1, 2, 1, 2, 2)),
    }[name]
    theirs = torch_alexnet(table, groups)
    names = {layer: layer for layer, _ in theirs.named_children() if layer not in ("norm", "pool")}
    variables = convert(state_dict(theirs), names, checks.variables(model, IMAGE))
    image = 50 * IMAGE
    with torch.no_grad():
        expected = theirs(torch.from_numpy(image).permute(0, 3, 1, 2)).numpy()
    logits = checks.apply(model, variables, image, train=False)
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
