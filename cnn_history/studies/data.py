"""The images that studies use, as arrays in memory."""

import jax
import jax.numpy as jnp

from cnn_history import datasets
from cnn_history.datasets import adapters, prepare, scalings, statistics
from cnn_history.errors import field

Data = tuple[jax.Array, jax.Array]  # images [n, h, w, c] and labels [n]
BOTH = ("train", "test")


def digits() -> Data:
    """Return the embedded training digits, [n, 8, 8, 1] in [0, 1], and their labels."""
    pixels, labels = datasets.source("digits", "train").arrays()
    return adapters.unit(jnp.asarray(pixels)), jnp.asarray(labels)


def images(
    dataset: str,
    size: int,
    examples: int | None = None,
    splits: tuple[str, ...] = ("train",),
    classes: int | None = None,
) -> list[Data]:
    """Return the images of each split, values in [0, 1] less the mean image of the first split.

    Args:
      dataset: name of a data set.
      size: images are resized to [n, size, size, c].
      examples: number of images to take from the start of each split; None for all.
      splits: names of the data set's splits.
      classes: required number of classes; None for any.

    Raises UserError if the data set is unknown or has another number of classes.
    """
    with field("dataset"):
        sources = [datasets.source(dataset, split) for split in splits]
        if classes not in (None, count := len(sources[0].classes)):
            raise ValueError(f"'{dataset}' has {count} classes; the study needs {classes}.")
    parts = [[part[:examples] for part in source.arrays()] for source in sources]
    measured = statistics.of((parts[0][0],), size, "resize")
    scale = prepare.Preprocessing(size, "resize", *scalings.per_pixel_mean(lambda: measured))
    return [(scale(jnp.asarray(pixels)), jnp.asarray(labels)) for pixels, labels in parts]
