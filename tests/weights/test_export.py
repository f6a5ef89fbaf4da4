"""Our variables in torchvision's names, and as programs."""

import functools

import jax
import numpy as np
import pytest
from flax import traverse_util

from cnn_history import layers, models
from cnn_history.weights import convert, export, loader, resnet
from tests.models import checks
from tests.torchvision_models import needs_torchvision

IMAGENET = [name for name in loader.TORCHVISION if name not in resnet.CIFAR]
THEIRS = {"alexnet_owt": "alexnet", "googlenet_bn": "googlenet"}
QUICK = ("googlenet_bn", "resnet18")
WITH_HEADS = ("googlenet_bn", "inception_v3")


def filled(abstract):
    """Return arrays of these shapes: of distinct numbers where they are small, else one number."""

    def array(leaf):
        if leaf.size < 1 << 16:
            return np.arange(leaf.size, dtype=np.float32).reshape(leaf.shape)
        return np.broadcast_to(np.float32(leaf.size), leaf.shape)

    return jax.tree.map(array, abstract)


@needs_torchvision
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in IMAGENET]
)
def test_names_and_shapes_are_torchvisions_and_come_back(name):
    """Nothing is missing for `load_state_dict(strict=True)`, and nothing is left over."""
    import torch

    from cnn_history.benchmarks import torchvision_networks

    heads = name in WITH_HEADS
    network = models.create(name, num_classes=1000, **({"aux_heads": True} if heads else {}))
    variables = filled(checks.variables(network, checks.images(name)))
    names = export.torchvision_names(name, network)
    tensors = export.to_torch(variables, names, models.layers_of(network, checks.images(name)))
    with torch.device("meta"):
        options = {"init_weights": False, "aux_logits": True} if heads else {}
        theirs = torchvision_networks.create(
            THEIRS.get(name, name.removesuffix("_v1_5")), **options
        )
    wanted = {n: tuple(t.shape) for n, t in theirs.state_dict().items() if "num_batches" not in n}
    assert {n: t.shape for n, t in tensors.items()} == wanted
    back = convert(tensors, loader.TORCHVISION[name], variables)
    jax.tree.map(np.testing.assert_array_equal, back, variables)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *[(name, {}) for name in ("resnet50", "vgg16_c", "alexnet", "resnet20", "lenet5")],
        ("resnet50_v1_5", {"ceil_pool1": True}),
        ("resnet18", {"shortcut": "A"}),
        ("resnet18", {"norm": functools.partial(layers.BatchNorm, epsilon=1e-3)}),
        ("resnet18", {"norm": layers.GroupNorm}),
        ("vgg11", {"norm": layers.BatchNorm}),
        ("vgg11", {"activation": np.tanh}),
    ],
)
def test_a_network_that_torchvision_has_not_keeps_our_names(name, options):
    assert export.torchvision_names(name, models.create(name, **options)) is None


def test_what_is_idle_in_evaluation_changes_no_name():
    options = {"num_classes": 7, "zero_gamma": True, "norm": layers.BatchNorm}
    assert export.torchvision_names("resnet18", models.create("resnet18", **options))
    assert export.torchvision_names("vgg11", models.create("vgg11", dropout=0.1))


def test_our_own_names_are_paths():
    tree = {"params": {"conv2_1": {"conv1": {"kernel": np.ones(2)}}}}
    assert export.flat(tree).keys() == {"params/conv2_1/conv1/kernel"}


def exported(name, batch):
    """Return a program of a network without depth, its weights zeros, and the program's logits."""
    network = checks.shallow(models.create(name))
    image = checks.images(name)
    variables = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), checks.variables(network, image)
    )
    return export.program(network, variables, image.shape[1:], batch)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "lenet5" else pytest.mark.slow) for n in checks.DISTINCT],
)
def test_any_number_of_images_goes_through_a_program(name):
    made = exported(name, None)
    (images,) = made.in_avals
    (logits,) = made.out_avals
    assert images.shape[1:] == models.info(name).input
    assert str(images.shape[0]) == str(logits.shape[0]) == "n"
    assert logits.shape[1] == models.info(name).classes
    assert made.platforms == export.PLATFORMS


def test_a_fixed_batch_is_fixed():
    assert exported("lenet5", 3).in_avals[0].shape[0] == 3


def test_a_program_computes_what_the_network_does():
    network = models.create("lenet5")
    variables = checks.init(network, np.zeros((1, *models.info("lenet5").input), np.float32))
    made = export.program(network, variables, models.info("lenet5").input, None)
    back = jax.export.deserialize(made.serialize())
    for n in (1, 5):
        x = np.random.default_rng(n).normal(size=(n, *models.info("lenet5").input))
        x = x.astype(np.float32)
        ours = checks.apply(network, variables, x, train=False)
        np.testing.assert_allclose(back.call(x), ours, atol=1e-5 * np.abs(ours).max())
    assert set(traverse_util.flatten_dict(variables))
