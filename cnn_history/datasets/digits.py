"""`digits`: 1,797 handwritten digits of 8x8 pixels, shipped with scikit-learn.

They are the test half of Alpaydin & Kaynak's "Optical recognition of handwritten digits" (UCI,
1998), 4x4 block sums of 32x32 scans in 0..16. The split of 1,437 / 360 is random and stratified, so
the same writers appear in both parts. This makes the task easier than the data set's own order
would.
"""

import functools
import importlib.util
import pathlib

import numpy as np

from cnn_history.datasets.source import Source

TEST_EXAMPLES = 360
# Training examples, then test examples, as drawn by scikit-learn's train_test_split (stratified,
# random_state=0). The split belongs to the data set and does not depend on a run's seed.
ORDER = pathlib.Path(__file__).with_name("digits_order.txt")
INK = 16  # the darkest value of the scans


@functools.cache
def _splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    # Reads the file directly: importing scikit-learn would cost every run a second.
    package = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent
    table = np.loadtxt(package / "datasets/data/digits.csv.gz", delimiter=",")
    images, labels = table[:, :-1].reshape(-1, 8, 8, 1), table[:, -1].astype(np.int64)
    images = np.round(images * (255 / INK)).astype(np.uint8)
    train, test = np.split(np.array(ORDER.read_text().split(), int), [-TEST_EXAMPLES])
    return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}


def source(split: str) -> Source:
    """Return the split `train` (1,437) or `test` (360): [8, 8, 1], bright ink on black."""
    if split not in ("train", "test"):
        raise ValueError(f"data set digits has no split '{split}'; use train or test.")
    images, labels = _splits()[split]
    return Source(
        name="digits",
        split=split,
        classes=tuple("0123456789"),
        shape=images.shape[1:],
        size=len(labels),
        read=lambda indices: (images[list(indices)], labels[list(indices)]),
    )
