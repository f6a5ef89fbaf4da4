"""torchvision's names for the layers of its AlexNet."""

from cnn_history.lookup import lookup

NAMES = {
    "alexnet_owt": {
        "features.0": "conv1",
        "features.3": "conv2",
        "features.6": "conv3",
        "features.8": "conv4",
        "features.10": "conv5",
        "classifier.1": "fc6",
        "classifier.4": "fc7",
        "classifier.6": "fc8",
    }
}


def torch_names(name: str) -> dict[str, str]:
    """Return {torchvision's module: our path}; ValueError for a network that it lacks."""
    return lookup(NAMES, name, "torchvision AlexNet")
