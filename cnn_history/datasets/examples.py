"""All examples of a split in order, once each and in batches: held in memory, or streamed."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from cnn_history.datasets import adapters, images, statistics, stream
from cnn_history.datasets.source import Source, cut

WHOLE_BYTES = 1 << 30  # of pixels; smaller data sets are held in memory, and on each device
SAMPLED = 10_000  # images used for the mean of streamed data
CHUNK = 100  # images per part when that mean is computed
UNCOUNTED = -1  # the label of an image that cannot be decoded


def streamed(source: Source) -> bool:
    """Tell whether a source must be streamed: too large for memory, or of varying image sizes."""
    if None in source.shape:
        return True
    return source.encoded is not None and len(source) * math.prod(source.shape) > WHOLE_BYTES


class Whole:
    """Examples held in memory, at the size that they have in the source."""

    def __init__(self, source: Source):
        self.images, self.labels = source.arrays()
        self.shape = source.shape

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> np.ndarray:
        """Return an image, uint8 [h, w, c]."""
        return self.images[i]

    def batches(self, batch_size: int, rows: Sequence[int]) -> Iterator[stream.Batch]:
        """Yield `image` and `label` for these rows of each batch.

        Copies of the last example fill the last batch up to batch_size.
        """
        for start in range(0, len(self), batch_size):
            chosen = np.minimum(start + np.asarray(rows), len(self) - 1)
            yield {"image": self.images[chosen], "label": self.labels[chosen]}


class Streamed:
    """Examples decoded on demand, at one size.

    An image that cannot be decoded becomes black, with the label UNCOUNTED. A lost record stops an
    evaluation.
    """

    def __init__(self, source: Source, size: int, adapter: str, skip: stream.Skip):
        self._source, self._size, self._adapter, self._skip = source, size, adapter, skip
        adapters.check_any_size(adapter)
        self.shape = (size, size, source.shape[-1])

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, i: int) -> np.ndarray:
        """Return an image as the evaluation protocol receives it, uint8 [size, size, c]."""
        return self._example(i)["image"]

    def batches(self, batch_size: int, rows: Sequence[int]) -> Iterator[stream.Batch]:
        """Yield batches as `Whole.batches` does."""

        def example(i: int) -> stream.Batch:
            batch, row = divmod(i, len(rows))
            return self._example(min(batch * batch_size + rows[row], len(self) - 1))

        batches = -(-len(self) // batch_size)
        yield from stream.read_ahead(example, batches * len(rows), len(rows))

    def _example(self, i: int) -> stream.Batch:
        file = self._source.encoded(i)
        try:
            pixels = images.decode(file.image, self.shape[-1])
            image = adapters.shown(pixels, self._size, self._adapter)
        except images.Damaged as error:
            self._skip(file.name, str(error))
            image, file = np.zeros(self.shape, np.uint8), file._replace(label=UNCOUNTED)
        return {"image": image, "label": np.int32(file.label)}


Examples = Whole | Streamed


def by_aspect(source: Source) -> np.ndarray:
    """Return all indices, sorted by aspect ratio: neighbours have one shape once scaled.

    The ratio is read from the files' headers; unreadable files come last.
    """

    def aspect(i: int) -> float:
        try:
            h, w = images.size(source.encoded(i).image)
        except images.Damaged:
            return math.inf
        return w / h

    return np.argsort([aspect(i) for i in range(len(source))], kind="stable")


def examples(source: Source, size: int, adapter: str, skip: stream.Skip) -> Examples:
    """Return a source's examples; size, adapter and skip are used only for streamed ones."""
    return Streamed(source, size, adapter, skip) if streamed(source) else Whole(source)


def measure(source: Source, size: int, adapter: str, skip: stream.Skip) -> statistics.Statistics:
    """Return the statistics of all images, or of the first SAMPLED if they are streamed.

    The first images of a prepared data set or a folder are a fair sample.
    """
    count = min(len(source), SAMPLED) if streamed(source) else len(source)
    chosen = examples(cut(source, source.split, 0, count), size, adapter, skip)
    parts = (batch["image"] for batch in chosen.batches(CHUNK, range(CHUNK)))
    left = range(count, 0, -CHUNK)
    if streamed(source):
        adapter = adapters.UNCHANGED  # the loader has applied it
    return statistics.of((part[:n] for part, n in zip(parts, left, strict=True)), size, adapter)
