"""A run's parts, for tests that make its steps themselves."""

import numpy as np

from cnn_history.datasets import Source, examples
from cnn_history.training import devices, setting


def of(config, network, source, mesh=None):
    """Return the setting of a config on a source that has no damaged images."""

    def skip(name, why):
        raise AssertionError(f"{name}: {why}")

    def statistics():
        return examples.measure(source, config.image_size, config.adapter, skip)

    return setting.make(config, network, source, statistics, skip, mesh or devices.mesh())


def source(images, labels, classes=10):
    """Return a source of arrays."""
    return Source(
        name="arrays",
        split="train",
        classes=tuple(map(str, range(classes))),
        shape=images.shape[1:],
        size=len(labels),
        read=lambda indices: (images[list(indices)], np.asarray(labels)[list(indices)]),
    )
