"""Data sets: a name and a split give a `Source`, which returns examples by index.

`digits` is embedded; `folder` is a directory of images; every other name is an image-classification
data set of TensorFlow Datasets, prepared as array_record. To add another kind of data set, add a
file and a line below.

    >>> from cnn_history import datasets
    >>> images, labels = datasets.source("digits", "test").arrays()
    >>> images.shape, images.dtype, labels[:3].tolist()
    ((360, 8, 8, 1), dtype('uint8'), [7, 6, 3])
"""

import functools
import re
from collections.abc import Callable

from cnn_history.datasets import digits, folder, known, tfds_images
from cnn_history.datasets.source import Source, cut

# (split, data_dir) -> Source; every other name is a data set of TensorFlow Datasets.
OWN = {"digits": lambda split, data_dir: digits.source(split), "folder": folder.source}

SPLIT = re.compile(r"(?P<name>\w+)(\[(?P<start>\d*):(?P<stop>\d*)\])?")


def source(name: str, split: str, data_dir: str = "") -> Source:
    """Return the examples of a split, `NAME` or `NAME[START:STOP]`.

    Args:
      name: the data set's.
      split: such as `train`, or `train[:45000]` for the first 45,000 examples.
      data_dir: folder of prepared data sets (empty: $TFDS_DATA_DIR or ~/tensorflow_datasets); for
        `folder`, the directory of images.

    Raises:
      ValueError: the data set or split does not exist, or is not prepared; the message says what to
        do.
    """

    def prepared(part: str) -> Source:
        if name in OWN:
            return OWN[name](part, data_dir)
        return tfds_images.source(name, part, data_dir)

    return _part(name, split, prepared)


def described(name: str, split: str, data_dir: str = "") -> Source:
    """Return a `source`, or only the sizes of a well-known data set that is not prepared.

    Takes the arguments of `source` and raises its errors.
    """
    try:
        return source(name, split, data_dir)
    except ValueError:
        if name not in known.DATASETS:
            raise
        return _part(name, split, functools.partial(known.source, name))


def _part(name: str, split: str, read: Callable[[str], Source]) -> Source:
    match = SPLIT.fullmatch(split)
    if not match:
        raise ValueError(f"'{split}' is not a split; try train or train[:45000].")
    examples = read(match["name"])
    start = int(match["start"] or 0)
    stop = min(int(match["stop"] or len(examples)), len(examples))
    if start >= stop:
        raise ValueError(f"split '{split}' of {name} is empty; it has {len(examples)} examples.")
    return cut(examples, split, start, stop)


__all__ = ["OWN", "Source", "described", "source"]
