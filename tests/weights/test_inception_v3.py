"""torchvision's Inception-v3 with the same weights, head included."""

import jax
import numpy as np
import pytest

from cnn_history import models
from cnn_history.weights.convert import convert
from cnn_history.weights.inception_v3 import torch_names
from tests import torchvision_models
from tests.models import checks
from tests.torchvision_models import needs_torchvision
from tests.weights import calibrated

SIZE = (299, 299, 3)  # the smallest with the head


@needs_torchvision
def test_logits_are_torchvisions():
    import torch

    x = calibrated.images(2, *SIZE[:2])
    options = {"num_classes": 7, "aux_logits": True, "init_weights": False, "dropout": 0.0}
    theirs = calibrated.create("inception_v3", x, **options)
    model = models.create("inception_v3", num_classes=7, aux_heads=True, dropout=0.0)
    abstract, names = checks.of_size(model, SIZE), torch_names("inception_v3")
    variables = convert(torchvision_models.state_dict(theirs), names, abstract)
    with torch.no_grad():
        expected = theirs(calibrated.to_torch(x)).numpy()
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
    # float32: the same sums of up to 9·448 products, in another order, through 48 layers
    assert calibrated.relative_difference(logits, expected) <= 1e-4

    # In training, in float64: normalization by few values magnifies the rounding of float32.
    with torch.no_grad():
        expected = theirs.double().train()(calibrated.to_torch(x.astype(np.float64)))
    with jax.enable_x64(True):
        model = model.clone(dtype=np.float64)
        abstract = checks.of_size(model, SIZE)
        variables = jax.tree.map(lambda v, like: np.asarray(v, like.dtype), variables, abstract)
        run = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]))
        (logits, (aux,)), state = jax.tree.map(np.asarray, run(variables, x))
    assert calibrated.relative_difference(logits, expected.logits.numpy()) <= 1e-9
    assert calibrated.relative_difference(aux, expected.aux_logits.numpy()) <= 1e-9
    updated = convert(torchvision_models.state_dict(theirs), names, abstract)["batch_stats"]
    differences = jax.tree.map(
        lambda a, b: np.max(np.abs(a - b)) / np.max(np.abs(b)), state["batch_stats"], updated
    )
    assert max(jax.tree.leaves(differences)) <= 1e-9


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="unknown torchvision Inception 'bn_inception'"):
        torch_names("bn_inception")
