"""The PyTorch networks equal ours: same number of parameters, same logits."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; EXTRAS=torch installs it")

from cnn_history import models  # noqa: E402
from cnn_history.benchmarks import cases, torch_networks  # noqa: E402
from cnn_history.weights.googlenet import torch_names  # noqa: E402
from tests import torch_resnet  # noqa: E402
from tests.models import checks  # noqa: E402

# Float32: sums of up to 9,216 products in another order.
BOUND = 2e-5


@pytest.mark.parametrize("name", torch_networks.NETWORKS)
def test_parameters_are_as_many(name):
    """Counted, not allocated."""
    abstract = checks.variables(models.create(name), checks.images(name))
    with torch.device("meta"):
        theirs = torch_networks.NETWORKS[name]()
    ours = sum(p.size for p in jax.tree.leaves(abstract["params"]))
    assert sum(p.numel() for p in theirs.parameters()) == ours


def test_every_case_has_its_counterpart():
    assert {case.network for case in (*cases.CPU, *cases.GPU)} == set(torch_networks.NETWORKS)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "alexnet_2012", "googlenet"])
def test_logits_are_equal_from_the_same_weights(name):
    """Of those that are not torchvision's own, which are compared in tests/weights."""
    network, draw = models.create(name), np.random.default_rng(0)
    shape = checks.images(name, 64 if name == "googlenet" else None)  # it takes any size

    def values(path, leaf):
        noise = draw.standard_normal(leaf.shape).astype(np.float32)
        match path[-1].key:
            case "kernel":
                return noise * np.sqrt(2 / np.prod(leaf.shape[:-1]), dtype=np.float32)
            case "mean":
                return 0 * noise
            case "var":
                return 0 * noise + 1
            case "scale":
                return 0.1 * noise + 1
        return 0.1 * noise

    variables = jax.tree_util.tree_map_with_path(values, checks.variables(network, shape))
    images = draw.standard_normal((2, *shape.shape[1:]), np.float32)
    logits = checks.apply(network, variables, images, train=False)
    theirs = torch_networks.NETWORKS[name]().eval()
    names = torch_names("googlenet_bn") if name == "googlenet" else None
    torch_resnet.load(theirs, variables["params"], names)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    assert np.abs(logits - expected).max() < BOUND * np.abs(expected).max()
    assert np.ptp(expected[0] - expected[1]) > 1000 * BOUND  # the images do differ
