"""torchvision's names for the layers of its VGG networks."""

from cnn_history.lookup import lookup
from cnn_history.models import vgg

CLASSIFIER = {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8"}


def _names(column: tuple[str, ...], normalized: bool) -> dict[str, str]:
    """torchvision numbers convolutions, norms, activations and poolings in one sequence."""
    names = {}
    index = 0
    for layer, entry in vgg.rows(column):
        if entry == "maxpool":
            index += 1
        else:
            names[f"features.{index}"] = layer
            if normalized:
                names[f"features.{index + 1}"] = layer.replace("conv", "norm")
            index += 3 if normalized else 2
    return names | CLASSIFIER


# torchvision's nets: columns of table 1, without and with a normalization after each convolution.
NAMES = {
    **{name: _names(vgg.COLUMNS[name], False) for name in vgg.BATCH_NORMALIZED},
    **{f"{name}_bn": _names(vgg.COLUMNS[name], True) for name in vgg.BATCH_NORMALIZED},
}


def torch_names(name: str) -> dict[str, str]:
    """Return {torchvision's module: our path}; ValueError for a network that it lacks."""
    return lookup(NAMES, name, "torchvision VGG")
