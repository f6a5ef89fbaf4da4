"""Drawings of architectures match the networks."""

import pytest

from cnn_history.accounting.structure import Branches, Repeat, Step, architecture
from tests.models import checks


def layers(series):
    """Return the number of layers that a drawing stands for, repetitions multiplied out."""
    count = 0
    for piece in series:
        match piece:
            case Step(norm=norm):
                count += 1 + (norm is not None)
            case Branches(branches):
                count += sum(map(layers, branches))
            case Repeat(times, pieces):
                count += times * layers(pieces)
    return count


def words(series):
    """Return a drawing as nested text: kernels, and channels of convolutions."""
    said = []
    for piece in series:
        match piece:
            case Step(layer):
                kernel = "x".join(map(str, layer.kernel or ()))
                said.append(f"{layer.operation} {kernel} {layer.output[-1]}")
            case Branches(branches, meeting):
                said.append((meeting, *map(words, branches)))
            case Repeat(times, pieces):
                said.append((times, *words(pieces)))
    return said


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_every_layer_is_in_the_drawing(name):
    account, structure = architecture(name)
    assert layers(structure) == len(account.layers)


def test_residual_blocks():
    """ResNet-50: 3, 4, 6, 3 blocks; the first of each stage projects, the others do not."""
    structure = architecture("resnet50")[1]
    drawn = words(structure)
    assert drawn[:2] == ["conv 7x7 64", "max_pool 3x3 64"]
    main = ["conv 1x1 64", "conv 3x3 64", "conv 1x1 256"]
    assert drawn[2] == ("add", main, ["conv 1x1 256"])
    assert drawn[3] == (2, ("add", main, []))
    blocks = [1 if piece[0] == "add" else piece[0] for piece in drawn[2:-2]]
    assert blocks == [1, 2, 1, 3, 1, 5, 1, 2]
    assert structure[2].output == (56, 56, 256)


def test_inception_branches():
    """Inception 3a of GoogLeNet, and a fork within a branch of Inception-v3's last modules."""
    modules = [piece for piece in architecture("googlenet")[1] if isinstance(piece, Branches)]
    assert len(modules) == 9
    assert words(modules[:1])[0] == (
        "concatenate",
        ["conv 1x1 64"],
        ["conv 1x1 96", "conv 3x3 128"],
        ["conv 1x1 16", "conv 5x5 32"],
        ["max_pool 3x3 192", "conv 1x1 32"],
    )
    assert modules[0].output == (28, 28, 256)
    last = [piece for piece in architecture("inception_v3")[1] if isinstance(piece, Branches)][-1]
    inner = ["conv 1x3 384"], ["conv 3x1 384"]
    assert any(b[0] == "conv 1x1 384" and b[1][1:] == inner for b in words([last])[0][1:] if b[1:])


def test_a_plain_net_repeats_its_layers():
    assert words(architecture("plain20")[1])[1] == (6, "conv 3x3 16")
