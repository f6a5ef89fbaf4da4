"""Sizes of well-known data sets, for building programs on machines without the data."""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from cnn_history.datasets.source import Source
from cnn_history.lookup import nearest


class Known(NamedTuple):
    """Number of classes, (h, w, c) of an image (None if it varies), and sizes of the splits."""

    classes: int
    shape: tuple[int | None, int | None, int]
    splits: dict[str, int]


# The publishers' counts, under the names that TensorFlow Datasets uses.
DATASETS = {
    "mnist": Known(10, (28, 28, 1), {"train": 60_000, "test": 10_000}),
    "fashion_mnist": Known(10, (28, 28, 1), {"train": 60_000, "test": 10_000}),
    "cifar10": Known(10, (32, 32, 3), {"train": 50_000, "test": 10_000}),
    "cifar100": Known(100, (32, 32, 3), {"train": 50_000, "test": 10_000}),
    "imagenette": Known(10, (None, None, 3), {"train": 9_469, "validation": 3_925}),
    "imagenet2012": Known(1000, (None, None, 3), {"train": 1_281_167, "validation": 50_000}),
}


def source(name: str, split: str) -> Source:
    """Return a source for one of DATASETS whose examples cannot be read.

    Raises ValueError if the split does not exist.
    """
    classes, shape, splits = DATASETS[name]
    if split not in splits:
        raise ValueError(f"{name} has no split '{split}'; {nearest(split, splits)}")

    def read(indices: Sequence[int]) -> NoReturn:
        raise ValueError(f"{name} is not prepared here: only its sizes are known.")

    return Source(
        name=name,
        split=split,
        classes=tuple(map(str, range(classes))),
        shape=shape,
        size=splits[split],
        read=read,
        encoded=read,
    )
