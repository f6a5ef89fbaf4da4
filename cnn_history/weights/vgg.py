"""torchvision's names for the layers of its VGG networks."""

from cnn_history.lookup import lookup
from cnn_history.models import vgg

CLASSIFIER = {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8"}
# torchvision's nets: column of table 1, and whether a normalization follows each convolution.
NETWORKS = {
    **{name: (vgg.COLUMNS[name], False) for name in vgg.BATCH_NORMALIZED},
    **{f"{name}_bn": (vgg.COLUMNS[name], True) for name in vgg.BATCH_NORMALIZED},
}


def torch_names(name: str) -> dict[str, str]:
    """Return {torchvision's module: path of ours}; ValueError for a net that it does not have.

    torchvision numbers convolutions, normalizations, activations and poolings in one sequence.
    """
    column, normalized = lookup(NETWORKS, name, "torchvision VGG")
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
