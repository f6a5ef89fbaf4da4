"""The interface of a data set: examples by index, without state."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np


class Encoded(NamedTuple):
    """One example as stored: the image file's bytes, its label, and its name in messages."""

    image: bytes
    label: int
    name: str


@dataclasses.dataclass(frozen=True)
class Source:
    """The examples of one split.

    Attributes:
      name: the data set's.
      split: as requested.
      classes: names of the classes.
      shape: (h, w, c) of the images; None if it varies.
      size: number of examples.
      read: indices [k] -> (images, labels): uint8 [h, w, c] each, and int.
      encoded: index -> Encoded, for callers that decode only a part; None if images are stored as
        pixels.
      version: the data set's, or empty; likewise its `variant`.
      name_of: index -> name of the example's file; None if examples have no files.
      stamps: (start, stop) -> texts that change when the files of those examples change.
      left_out: describes files that are not examples; empty if there are none.
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

        Raises ValueError if the images' sizes vary.
        """
        if None in self.shape:
            raise ValueError(f"the images of {self.name} vary in size and cannot form one array.")
        images, labels = self.read(range(self.size))
        return np.stack(images), np.asarray(labels, np.int32)


def cut(source: Source, split: str, start: int, stop: int) -> Source:
    """Return examples `start` to `stop` as a source of their own, named by its range."""
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
    """Return the source with other classes; its class k becomes `places[k]`."""
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
