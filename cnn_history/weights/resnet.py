"""PyTorch's names for the modules of residual networks.

torchvision's bottlenecks halve the image in the 3x3 convolution, like our v1.5 networks. CIFAR
networks in the common naming have the same names with one stage less; some writers call the
classifier `linear` and a projection `shortcut`.
"""

from collections.abc import Sequence

from cnn_history.lookup import lookup
from cnn_history.models.resnet import BOTTLENECK_DEPTHS, CIFAR_DEPTHS, IMAGENET_BLOCKS


def _names(blocks: Sequence[int], convolutions: int) -> dict[str, str]:
    names = {"conv1": "conv1", "bn1": "norm1", "fc": "fc"}
    for stage, count in enumerate(blocks, 1):
        for i in range(count):
            theirs, ours = f"layer{stage}.{i}", f"conv{stage + 1}_{i + 1}"
            for n in range(1, convolutions + 1):
                names |= {
                    f"{theirs}.conv{n}": f"{ours}/conv{n}",
                    f"{theirs}.bn{n}": f"{ours}/norm{n}",
                }
            names |= {
                f"{theirs}.downsample.0": f"{ours}/conv_shortcut",
                f"{theirs}.downsample.1": f"{ours}/norm_shortcut",
            }
    return names


IMAGENET = {
    depth: _names(blocks, 3 if depth in BOTTLENECK_DEPTHS else 2)
    for depth, blocks in IMAGENET_BLOCKS.items()
}
CIFAR = {f"resnet{depth}": _names([(depth - 2) // 6] * 3, 2) for depth in CIFAR_DEPTHS}
NAMES = {
    **CIFAR,
    **{f"resnet{depth}_v1_5": names for depth, names in IMAGENET.items()},
    # Without bottlenecks, v1 and v1.5 are the same network.
    **{
        f"resnet{depth}": names
        for depth, names in IMAGENET.items()
        if depth not in BOTTLENECK_DEPTHS
    },
}


def torch_names(name: str) -> dict[str, str]:
    """Return {PyTorch's module: our path}, including projections that a network may lack.

    Raises ValueError for a network without weights in these names.
    """
    return lookup(NAMES, name, "residual network with PyTorch weights")
