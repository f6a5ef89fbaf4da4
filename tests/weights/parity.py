"""The same weights in torchvision's network and in ours."""

import itertools

import jax
import numpy as np

from cnn_history import models
from cnn_history.layers import forms
from cnn_history.weights.convert import convert
from tests import torchvision_models
from tests.models import checks

# Float32: both sum the same products in another order, up to 25,088 of them through 8 to 19 layers.
BOUND = 1e-4


# Units of the two hidden layers of a classifier, which have hundreds of megabytes else.
NARROW = (48, 32)


def narrow(torch_name: str):
    """Return torchvision's AlexNet or a VGG with these units in its classifier, randomized."""
    import torch

    from cnn_history.benchmarks import torchvision_networks

    with torch.device("meta"):
        theirs = torchvision_networks.create(torch_name)
        places = [i for i, m in enumerate(theirs.classifier) if isinstance(m, torch.nn.Linear)]
        widths = (theirs.classifier[places[0]].in_features, *NARROW, 1000)
        for place, units in zip(places, itertools.pairwise(widths), strict=True):
            theirs.classifier[place] = torch.nn.Linear(*units)
    return torchvision_models.randomize(theirs.to_empty(device="cpu"))


def relative_difference(name: str, theirs, names: dict[str, str], size: int) -> float:
    """Return the largest difference of an image's logits over its largest logit.

    Layers are as written, which compiles sooner than the forms of a CPU; tests of layers compare
    the two.

    Args:
      name: of our network.
      theirs: torch's, randomized.
      names: of its modules, ours by theirs.
      size: of the images.
    """
    import torch

    model = models.create(name)
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    x[1] *= 10 * np.linspace(0, 1, size)[:, None, None]  # deep random nets forget finer differences
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
    abstract = checks.variables(model, jax.ShapeDtypeStruct(x.shape, x.dtype))
    variables = convert(torchvision_models.state_dict(theirs), names, abstract)
    with forms.as_written():
        logits = checks.apply(model, variables, x, train=False)
    sizes = np.abs(expected).max(axis=1)
    assert np.ptp(expected / sizes[:, None], axis=0).max() > 100 * BOUND  # the images do differ
    return (np.abs(logits - expected).max(axis=1) / sizes).max()


def every_tensor_has_its_place(name: str, torch_name: str, names: dict[str, str]) -> None:
    """Assert that names and shapes match, both ways; traced on one side, on torch's meta device."""
    import torch

    from cnn_history.benchmarks import torchvision_networks

    with torch.device("meta"):
        theirs = torchvision_networks.create(torch_name)
    tensors = {
        key: np.broadcast_to(np.float32(0), tuple(tensor.shape))
        for key, tensor in theirs.state_dict().items()
    }
    abstract = checks.variables(models.create(name), checks.images(name))
    variables = convert(tensors, names, abstract)
    assert jax.tree.structure(variables) == jax.tree.structure(abstract)
