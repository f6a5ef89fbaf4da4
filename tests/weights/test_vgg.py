"""torchvision's VGG networks with the same weights."""

import pytest

from cnn_history import models
from cnn_history.weights import vgg
from tests.torchvision_models import needs_torchvision
from tests.weights import parity


@needs_torchvision
@pytest.mark.parametrize("name", vgg.NAMES)
def test_every_tensor_has_its_place(name):
    parity.every_tensor_has_its_place(name, name, vgg.torch_names(name))


@needs_torchvision
@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn"])
def test_logits_are_torchvisions(name, monkeypatch):
    """A column without norms and one with; fc6 and fc7 are narrow, in the usual layout."""
    monkeypatch.setattr(models.vgg, "FC6", parity.NARROW[0])
    monkeypatch.setattr(models.vgg, "FC7", parity.NARROW[1])
    theirs = parity.narrow(name)
    difference = parity.relative_difference(name, theirs, vgg.torch_names(name), 224)
    assert difference <= parity.BOUND


def test_the_papers_other_columns_are_refused():
    for name in ("vgg16_c", "vgg11_lrn"):
        with pytest.raises(ValueError, match=f"unknown torchvision VGG '{name}'"):
            vgg.torch_names(name)
