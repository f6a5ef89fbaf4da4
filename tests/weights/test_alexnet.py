"""torchvision's AlexNet with the same weights."""

import pytest

from cnn_history import models
from cnn_history.weights.alexnet import torch_names
from tests.torchvision_models import needs_torchvision
from tests.weights import parity


@needs_torchvision
@pytest.mark.parametrize("size", [63, 224, 260])
def test_logits_are_torchvisions(size, monkeypatch):
    """At its own size, and where the adaptive pooling repeats (63) and averages (260)."""
    monkeypatch.setattr(models.alexnet, "FC6", parity.NARROW[0])
    monkeypatch.setattr(models.alexnet, "FC7", parity.NARROW[1])
    theirs, names = parity.narrow("alexnet"), torch_names("alexnet_owt")
    assert parity.relative_difference("alexnet_owt", theirs, names, size) <= parity.BOUND


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="did you mean 'alexnet_owt'"):
        torch_names("alexnet_2012")
