"""What a data set is to the rest of the program: examples by index, without state."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
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
      version: of the data set, empty where it has none; likewise its `variant`.
      name_of: index -> the name of its file in the data set; None where they have none.
      stamps: (start, stop) -> texts that are others when files of those examples are.
      left_out: what lies beside the examples and is not taken, in words; empty for nothing.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    shape: tuple[int | None, int | None, int]
    size: int
    read: Callable[[Sequence[int]], tuple[Sequence[np.ndarray], Sequence[int]]]
    encoded: Callable[[int], Encoded] | None = None
    version: str = ""
    variant: str = ""
    name_of: Callable[[int], str] | None = None
    stamps: Callable[[int, int], Iterable[str]] = lambda start, stop: ()
    left_out: str = ""

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
        name_of=source.name_of and (lambda index: source.name_of(start + index)),
        stamps=lambda first, last: source.stamps(start + first, start + last),
    )


def relabelled(source: Source, classes: Sequence[str], places: Sequence[int]) -> Source:
    """Return the source with other classes, its k-th being that at `places[k]`."""
    if list(places) == list(range(len(classes))):
        return dataclasses.replace(source, classes=tuple(classes))

    def read(indices):
        images, labels = source.read(indices)
        return images, [places[label] for label in labels]

    def encoded(index):
        example = source.encoded(index)
        return example._replace(label=places[example.label])

    return dataclasses.replace(
        source, classes=tuple(classes), read=read, encoded=source.encoded and encoded
    )
