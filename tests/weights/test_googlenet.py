"""torchvision's GoogLeNet with the same weights, in inference and in a step of training."""

import copy

import jax
import numpy as np
import pytest
from flax import traverse_util

from cnn_history import models
from cnn_history.weights.convert import convert
from cnn_history.weights.googlenet import torch_names
from tests import torchvision_models
from tests.models import checks, drawn
from tests.torchvision_models import needs_torchvision
from tests.weights import calibrated

CLASSES = 7
LABELS = np.array([0, 6, 2])
SIZE = (80, 96, 3)  # maps of 5x6 at the heads, which pool adaptively to 4x4
HEAD_WEIGHT = 0.3  # Szegedy et al. 2014, sec. 5


@pytest.fixture(scope="module")
def theirs_and_images():
    x = calibrated.images(len(LABELS), *SIZE[:2])
    options = {"num_classes": CLASSES, "aux_logits": True, "init_weights": False}
    return calibrated.create("googlenet", x, dropout=0.0, dropout_aux=0.0, **options), x


def _ours(aux_heads=True, **options):
    options |= {"num_classes": CLASSES, "aux_heads": aux_heads, "dropout": 0.0, "aux_dropout": 0.0}
    return models.create("googlenet_bn", **options)


@needs_torchvision
def test_logits_are_torchvisions(theirs_and_images):
    import torch

    theirs, x = theirs_and_images
    model = _ours()
    variables = convert(
        torchvision_models.state_dict(theirs),
        torch_names("googlenet_bn"),
        checks.of_size(model, SIZE),
    )
    with torch.no_grad():
        expected = theirs.eval()(calibrated.to_torch(x)).numpy()
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
    # float32: the same sums of up to 9·192 products, in another order, through 22 layers
    assert calibrated.relative_difference(logits, expected) <= 1e-4


@needs_torchvision
def test_training_step_is_torchvisions(theirs_and_images):
    """Logits of both heads too, gradients of all parameters, and the updated statistics.

    In float64: normalization by the batch magnifies rounding, so that float32 would need a
    tolerance that hides a wrong epsilon or a biased variance.
    """
    import torch
    import torch.nn.functional as F

    theirs, x = theirs_and_images
    theirs = copy.deepcopy(theirs).double().train()
    before = torchvision_models.state_dict(theirs)
    out = theirs(calibrated.to_torch(x.astype(np.float64)))
    expected = (out.logits, out.aux_logits1, out.aux_logits2)  # torch returns the second head first
    weights = (1.0, HEAD_WEIGHT, HEAD_WEIGHT)
    labels = torch.from_numpy(LABELS)
    sum(w * F.cross_entropy(y, labels) for w, y in zip(weights, expected, strict=True)).backward()
    after = torchvision_models.state_dict(theirs)
    after |= {name: p.grad.numpy() for name, p in theirs.named_parameters()}

    with jax.enable_x64(True):
        model = _ours(dtype=np.float64)
        abstract, names = checks.of_size(model, SIZE), torch_names("googlenet_bn")
        variables = convert(before, names, abstract)
        wanted = convert(after, names, abstract)  # gradients for parameters, and statistics

        def loss(params):
            (logits, aux), state = model.apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            every = (logits, *aux)
            losses = [-jax.nn.log_softmax(y)[np.arange(len(LABELS)), LABELS].mean() for y in every]
            return sum(w * value for w, value in zip(weights, losses, strict=True)), (every, state)

        step = drawn.jit(jax.grad(loss, has_aux=True))
        gradients, (found, state) = jax.tree.map(np.asarray, step(variables["params"]))

    for ours, reference in zip(found, expected, strict=True):
        assert calibrated.relative_difference(ours, reference.detach().numpy()) <= 1e-9
    ours = traverse_util.flatten_dict({"params": gradients, **state}, sep="/")
    reference = traverse_util.flatten_dict(wanted, sep="/")
    assert ours.keys() == reference.keys()
    old = traverse_util.flatten_dict(variables, sep="/")
    for path, value in ours.items():
        error = np.max(np.abs(value - reference[path]))
        assert error <= 1e-9 * np.max(np.abs(reference[path])), path
        assert np.any(reference[path] != old[path]), path


@needs_torchvision
def test_weights_with_heads_need_a_network_with_heads(theirs_and_images):
    theirs, _ = theirs_and_images
    state = torchvision_models.state_dict(theirs)
    names = torch_names("googlenet_bn")
    headless = checks.of_size(_ours(aux_heads=False), SIZE)
    with pytest.raises(ValueError, match=r"no parameter for 'aux1"):
        convert(state, names, headless)
    trunk = {name: tensor for name, tensor in state.items() if not name.startswith("aux")}
    assert jax.tree.structure(convert(trunk, names, headless)) == jax.tree.structure(headless)


def test_the_papers_network_is_not_torchvisions():
    with pytest.raises(ValueError, match="unknown torchvision GoogLeNet 'googlenet'"):
        torch_names("googlenet")
