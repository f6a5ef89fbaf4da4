"""Parts of a run, for tests with their own loops."""

import numpy as np

from cnn_history import build
from cnn_history.datasets import Source, examples
from cnn_history.training import devices, feed, program


def of(config, network, source, mesh=None):
    """Return (program, feed, what is done to images) on a source without damaged images."""

    def skip(name, why):
        raise AssertionError(f"{name}: {why}")

    def statistics():
        return examples.measure(source, config.image_size, config.adapter, skip)

    mesh = mesh or devices.mesh()
    experiment = build.experiment(config, data=(source, source), network=network)
    images = experiment.images(statistics)
    training = feed.feed(experiment, images, skip, mesh)
    return program.make(experiment, images, training, mesh), training, images


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
