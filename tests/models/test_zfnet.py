"""ZFNet, against its paper and against PyTorch."""

import json

import jax
import numpy as np
import pytest

from cnn_history import initializers, layers, models
from cnn_history.models import zfnet
from cnn_history.weights.convert import convert
from tests.models import checks
from tests.shared import SHARED, needs_shared
from tests.torchvision_models import randomize, state_dict

FC7, FC8 = 4096 * 4097, 1000 * 4097


@pytest.mark.parametrize(
    ("name", "maps", "count"),
    [("zfnet", (384, 384, 256), 62_357_608), ("zfnet_b", (512, 1024, 512), 107_627_624)],
)
def test_parameters(name, maps, count):
    """Fig. 3 by hand; (b) differs from it by the maps of layers 3 to 5 alone (table 2)."""
    by_hand = 96 * (7 * 7 * 3 + 1) + 256 * (5 * 5 * 96 + 1)
    for inputs, outputs in zip((256, *maps), maps, strict=False):
        by_hand += outputs * (3 * 3 * inputs + 1)
    by_hand += 4096 * (6 * 6 * maps[-1] + 1) + FC7 + FC8
    assert by_hand == count
    abstract = checks.variables(models.create(name), checks.images(name))
    assert checks.parameters(abstract) == count


@needs_shared
def test_every_layers_output_is_that_of_the_facts():
    layers = json.loads((SHARED / "facts/networks.json").read_text())["layers"]
    ours = checks.shapes(models.create("zfnet"), checks.images("zfnet"))
    for row in layers["zfnet_paper_fig3"]:
        layer = row["name"].removeprefix("contrast_")
        expected = [1, 1, row["out"][-1]] if row["op"] == "fc" else row["out"]
        assert list(ours[layer]) == expected, layer


def test_variant_b_is_the_trunk_of_figure_3():
    ours = checks.shapes(models.create("zfnet_b"), checks.images("zfnet_b"))
    shapes = {"conv2": (26, 26, 256), "conv3": (13, 13, 512), "conv4": (13, 13, 1024)}
    assert {layer: ours[layer] for layer in shapes} == shapes
    assert ours["pool5"] == (6, 6, 512)


def test_against_pytorch():
    """The whole network on the same weights, values large enough that normalization matters.

    Float32; sums of up to 9,216 terms through eight layers: 1e-4 of the largest logit allowed.
    """
    torch = pytest.importorskip("torch")
    nn = torch.nn

    def normalized():
        return nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5, 5e-4, k=2))

    theirs = nn.Sequential()
    for name, layer in {
        "conv1": nn.Conv2d(3, 96, 7, 2, 1),
        "relu1": nn.ReLU(),
        "norm1": normalized(),
        "conv2": nn.Conv2d(96, 256, 5, 2),
        "relu2": nn.ReLU(),
        "norm2": normalized(),
        "conv3": nn.Conv2d(256, 384, 3, 1, 1),
        "relu3": nn.ReLU(),
        "conv4": nn.Conv2d(384, 384, 3, 1, 1),
        "relu4": nn.ReLU(),
        "conv5": nn.Conv2d(384, 256, 3, 1, 1),
        "relu5": nn.ReLU(),
        "pool5": nn.MaxPool2d(3, 2),
        "flatten": nn.Flatten(),
        "fc6": nn.Linear(9216, 4096),
        "relu6": nn.ReLU(),
        "fc7": nn.Linear(4096, 4096),
        "relu7": nn.ReLU(),
        "fc8": nn.Linear(4096, 1000),
    }.items():
        theirs.add_module(name, layer)
    randomize(theirs)
    model = models.create("zfnet")
    image = np.random.default_rng(0).normal(0, 50, (1, 224, 224, 3)).astype(np.float32)
    names = {name: name for name, _ in theirs.named_children() if name.startswith(("conv", "fc"))}
    variables = convert(state_dict(theirs), names, checks.variables(model, image))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(image).permute(0, 3, 1, 2)).numpy()
    logits = checks.apply(model, variables, image, train=False)
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


def test_smallest_size():
    """207 pixels still give 6x6 maps, 206 do not."""
    assert zfnet.ZFNet.smallest == 207
    ours = checks.shapes(models.create("zfnet"), checks.images("zfnet", 207))
    assert ours["pool5"] == (6, 6, 256)


def test_norm_and_dropout_work_in_training(monkeypatch):
    """Thin, with a batch normalization where the paper normalizes contrast."""
    monkeypatch.setattr(zfnet, "FC6", 512)
    monkeypatch.setattr(zfnet, "FC7", 256)
    table = tuple(row._replace(maps=4) for row in zfnet.FIGURE_3)
    image = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)

    def model(dropout):
        options = {"norm": layers.BatchNorm, "kernel_init": initializers.he()}
        return zfnet.ZFNet(table, num_classes=7, dropout=dropout, **options)

    variables = checks.init(model(0.0), image)
    assert checks.updated_statistics(model(0.0), variables, image) == {"norm1", "norm2"}
    training = {"train": True, "rngs": {"dropout": jax.random.key(0)}, "mutable": ["batch_stats"]}
    logits = [checks.apply(model(rate), variables, image, **training)[0] for rate in (0.0, 0.5)]
    assert not np.allclose(*logits)
