"""What a data set is to the rest of the program: examples by index, without state."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Encoded(NamedTuple):
    """One example as it is stored: the image's file, its label, and a name to blame it by."""

    image: bytes
    label: int
    name: str


@dataclasses.dataclass(frozen=True)
class Source:
    """The examples of one split.

    Attributes:
      name: of the data set.
      split: as it was asked for.
      classes: their names.
      shape: (h, w, c) of the images; None where it varies.
      size: number of examples.
      read: indices [k] -> (images, labels): uint8 [h, w, c] each, and int.
      encoded: index -> Encoded, for who decodes but a part; None where images are kept as pixels.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    shape: tuple[int | None, int | None, int]
    size: int
    read: Callable[[Sequence[int]], tuple[Sequence[np.ndarray], Sequence[int]]]
    encoded: Callable[[int], Encoded] | None = None

    def __len__(self) -> int:
        return self.size

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all images [n, h, w, c] uint8 and labels [n] int32.

        Raises ValueError where the images' sizes vary.
        """
        if None in self.shape:
            raise ValueError(f"the images of {self.name} vary in size, and cannot be kept whole.")
        images, labels = self.read(range(self.size))
        return np.stack(images), np.asarray(labels, np.int32)


def cut(source: Source, split: str, start: int, stop: int) -> Source:
    """Return the examples from `start` to `stop`, as the split of that name."""
    return dataclasses.replace(
        source,
        split=split,
        size=stop - start,
        read=lambda indices: source.read([start + i for i in indices]),
        encoded=source.encoded and (lambda index: source.encoded(start + index)),
    )
