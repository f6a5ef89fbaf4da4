"""Streaming of large data sets: threads read, decode and crop while the device computes.

Grain reads ahead by random access, so the position in the data depends on the step alone here too:
(seed, step) determines a step's examples and crops, for any number of threads and processes and
however often the run was interrupted. Threads are enough because decoding releases Python's lock.
They end with the process, however it ends.

An image that cannot be decoded, or a lost record, is replaced by the split's next example, label
included.
"""

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

import numpy as np

from cnn_history.datasets import crops, images, resizing
from cnn_history.datasets.order import Order
from cnn_history.datasets.source import Source

AHEAD = 2  # batches decoded ahead; bounds the threads' memory
PART = 4  # examples that a thread prepares at a time

LIBRARIES = {"decoder": "simplejpeg", "resizer": resizing.LIBRARY}

Batch = dict[str, np.ndarray]
Skip = Callable[[str, str], None]  # (name, why) of an image that cannot be decoded


def training(
    source: Source,
    order: Order,
    crop: crops.CropFunction,
    size: int,
    seed: int,
    batch_size: int,
    rows: Sequence[int],
    start: int,
    stop: int,
    skip: Skip,
    threads: int | None = None,
) -> Iterator[Batch]:
    """Yield the batches of steps start..stop-1, as `image`, `label`, `ids`, `epochs`.

    Args:
      source: of the examples.
      order: example and epoch at each position.
      crop: applied to each example.
      size: images are uint8 [len(rows), size, size, c].
      seed: of the crops' draws, with epoch and example.
      batch_size: total over all processes.
      rows: rows of the batch that this process prepares.
      start: first step.
      stop: step after the last.
      skip: called for each image that cannot be decoded.
      threads: number of loader threads; None for the number of processors.
    """

    @functools.lru_cache(AHEAD + 2)
    def taken(step: int) -> tuple[np.ndarray, np.ndarray]:
        return order(step * batch_size, (step + 1) * batch_size)

    def example(i: int) -> Batch:
        step, row = divmod(i, len(rows))
        index, epoch = (one[rows[row]] for one in taken(start + step))
        draws = crops.draws(seed, int(epoch), int(index))
        image, label = _this_or_next(source, int(index), crop, draws, size, skip)
        return {"image": image, "label": np.int32(label), "ids": index, "epochs": epoch}

    return read_ahead(example, (stop - start) * len(rows), len(rows), threads)


def _this_or_next(
    source: Source, index: int, crop: Callable, draws: np.ndarray, size: int, skip: Skip
) -> tuple[np.ndarray, int]:
    for i in range(len(source)):
        place = (index + i) % len(source)
        try:
            file = source.encoded(place)
            return crops.decode(file.image, source.shape[-1], crop, draws, size), file.label
        except images.Lost as error:
            skip(f"{source.name}/{source.split}[{place}]", str(error))
        except images.Damaged as error:
            skip(file.name, str(error))
    raise ValueError(f"no image of {source.name} {source.split} can be decoded.")


def made_by() -> dict[str, str]:
    """Return the libraries that decode and resize training photos, with versions."""
    return {part: f"{name} {metadata.version(name)}" for part, name in LIBRARIES.items()}


class _Parts:
    """Parts of batches by number, in the form of a Grain source."""

    def __init__(self, part: Callable[[int], list[Batch]], count: int):
        self._part, self._count = part, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> list[Batch]:
        return self._part(i)


def read_ahead(
    example: Callable[[int], Batch], count: int, batch: int, threads: int | None = None
) -> Iterator[Batch]:
    """Yield the examples 0..count-1 in batches, prepared ahead by threads.

    The batch size divides `count`. PART examples form one Grain element, which spreads its
    overhead.
    """
    import grain  # takes 1.3 s to import; data that fit on the device do not need it

    firsts = range(0, batch, PART)

    def part(i: int) -> list[Batch]:
        of, which = divmod(i, len(firsts))
        return [example(of * batch + row) for row in range(batch)[firsts[which] :][:PART]]

    parts = grain.MapDataset.source(_Parts(part, count // batch * len(firsts)))
    options = grain.ReadOptions(threads or os.cpu_count(), AHEAD * len(firsts))
    with contextlib.closing(iter(parts.to_iter_dataset(options))) as made:
        for first in made:
            rows = [*first, *itertools.chain(*itertools.islice(made, len(firsts) - 1))]
            yield {name: np.stack([row[name] for row in rows]) for name in first[0]}
