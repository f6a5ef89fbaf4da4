"""PyTorch files loaded into our networks."""

import functools
import re

import jax
import numpy as np
import pytest

from cnn_history import models, weights
from cnn_history.datasets import source
from cnn_history.weights import loader
from tests.shared import SHARED, needs_shared
from tests.torchvision_models import create, needs_torchvision

torch = pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")

RESNET20 = SHARED / "data/weights/resnet20-12fca82f.th"


def shapes(tree):
    return jax.tree.map(np.shape, tree)


@needs_torchvision
@pytest.mark.parametrize(
    ("name", "theirs", "options", "expected"),
    [
        ("resnet18_v1_5", "resnet18", {"num_classes": 7}, {"num_classes": 7}),
        ("resnet18", "resnet18", {"num_classes": 7}, {"num_classes": 7}),
        ("resnet50_v1_5", "resnet50", {}, {"num_classes": 1000}),
        (
            "googlenet_bn",
            "googlenet",
            {"init_weights": False},
            {"num_classes": 1000, "aux_heads": True},
        ),
        (
            "googlenet_bn",
            "googlenet",
            {"init_weights": False, "aux_logits": False},
            {"num_classes": 1000},
        ),
    ],
)
def test_files_say_classes_and_heads(tmp_path, name, theirs, options, expected):
    path = tmp_path / "weights.pth"
    model = create(theirs, **options)
    torch.save(model.state_dict(), path)
    found, variables, *_ = weights.load(path, name)
    assert found == expected
    count = sum(p.numel() for p in model.parameters())
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@needs_torchvision
def test_every_network_of_torchvision_has_all_its_names():
    """Without weights: torch's modules on the device `meta`."""
    from cnn_history.benchmarks import torchvision_networks

    missing = {"alexnet_owt": "alexnet", "googlenet_bn": "googlenet"}
    imagenet = [name for name in loader.TORCHVISION if models.info(name).input[0] > 32]
    assert len(imagenet) == 18
    for name in imagenet:
        theirs = missing.get(name, name.removesuffix("_v1_5"))
        with torch.device("meta"):
            options = {"init_weights": False} if theirs in ("googlenet", "inception_v3") else {}
            model = torchvision_networks.create(theirs, **options)
        modules = {n.rpartition(".")[0] for n in model.state_dict()}
        named = {n for n in loader.TORCHVISION[name] if "downsample" not in n or n in modules}
        assert named == modules, name


def write_in_other_words(tensors, projections):
    """Write a CIFAR network's tensors as other training scripts do."""
    words = {"linear": "fc"}
    renamed = {".".join(words.get(w, w) for w in n.split(".")): t for n, t in tensors.items()}
    if projections:
        for stage, (inputs, outputs) in {2: (16, 32), 3: (32, 64)}.items():
            prefix = f"layer{stage}.0.{projections}"
            renamed[f"{prefix}.0.weight"] = torch.full((outputs, inputs, 1, 1), 0.5)
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                renamed[f"{prefix}.1.{leaf}"] = torch.ones(outputs)
    return renamed


@needs_shared
@pytest.mark.parametrize("projections", ["", "downsample", "shortcut"])
def test_cifar_networks_in_the_words_of_other_writers(tmp_path, projections):
    saved = torch.load(RESNET20, weights_only=True, map_location="cpu")["state_dict"]
    tensors = {name.removeprefix("module."): tensor for name, tensor in saved.items()}
    path = tmp_path / "weights.pth"
    torch.save(write_in_other_words(tensors, projections), path)

    options, variables, *_ = weights.load(path, "resnet20")
    original = weights.load(RESNET20, "resnet20").variables
    assert options == {"num_classes": 10, **({"shortcut": "B"} if projections else {})}
    kept = jax.tree_util.tree_leaves_with_path(original["params"])
    found = dict(jax.tree_util.tree_leaves_with_path(variables["params"]))
    assert all(np.array_equal(found[path], leaf) for path, leaf in kept)
    if projections:
        kernel = variables["params"]["conv3_1"]["conv_shortcut"]["kernel"]
        np.testing.assert_array_equal(kernel, np.full((1, 1, 16, 32), 0.5))


@needs_shared
def test_a_file_of_another_network_is_refused():
    with pytest.raises(ValueError, match=r"lack 'layer1\.3\..*; did you mean 'layer1"):
        weights.load(RESNET20, "resnet32")
    with pytest.raises(ValueError, match="unknown network with published weights 'resnet21'"):
        weights.load(RESNET20, "resnet21")


def in_plain_torch():
    """The file's network in plain PyTorch, which knows nothing of ours."""
    from cnn_history.benchmarks.torch_networks import CifarResNet

    saved = torch.load(RESNET20, weights_only=True, map_location="cpu")["state_dict"]
    tensors = {}
    for name, tensor in saved.items():
        name = name.removeprefix("module.").replace("bn", "norm").replace("linear", "fc")
        name = re.sub(
            r"layer(\d)\.(\d)", lambda m: f"blocks.conv{int(m[1]) + 1}_{int(m[2]) + 1}", name
        )
        tensors[name] = tensor
    net = CifarResNet(3)
    net.load_state_dict(tensors, strict=True)
    return net.eval()


@needs_shared
def test_predictions_on_cifar_10_are_those_of_pytorch(data_dir):
    """512 test images; 8.27 % of all 10,000 are wrong, and likewise in the verb `evaluate`."""
    images, labels = source("cifar10", "test[:512]", data_dir).arrays()
    images = (images / np.float32(255) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    images = images.astype(np.float32)
    options, variables, *_ = weights.load(RESNET20, "resnet20")
    apply = functools.partial(models.create("resnet20", **options).apply, train=False)
    ours = np.asarray(jax.jit(apply)(variables, images))
    with torch.no_grad():
        theirs = in_plain_torch()(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    assert np.abs(ours - theirs).max() / np.abs(theirs).max() < 1e-4
    # Of images whose first two classes lie further apart than rounding may move them.
    first, second = np.sort(theirs, 1)[:, :-3:-1].T
    sure = first - second > 2e-4 * np.abs(theirs).max()
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(ours.argmax(1)[sure], theirs.argmax(1)[sure])
    assert 0.05 < np.mean(ours.argmax(1) != labels) < 0.11
