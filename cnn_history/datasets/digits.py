"""`digits`: 1,797 real handwritten digits, 8x8, that come with scikit-learn.

They are the test half of Alpaydin & Kaynak's "Optical recognition of handwritten digits" (UCI,
1998), 4x4 block sums of 32x32 scans in 0..16. Split here 1,437 / 360, stratified, at random: the
writers of both parts are the same, which makes it an easier problem than the set's own order does.
"""

import functools

import numpy as np

from cnn_history.datasets.source import Source

TEST_EXAMPLES = 360
SPLIT_SEED = 0  # the split is part of the data set, whatever a run's seed
INK = 16  # the darkest value of the scans


@functools.cache
def _splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    from sklearn import datasets, model_selection  # 1 s to import: only who asks for digits pays

    images, labels = datasets.load_digits(return_X_y=True)
    images = np.round(images.reshape(-1, 8, 8, 1) * (255 / INK)).astype(np.uint8)
    train, test = model_selection.train_test_split(
        np.arange(len(labels)), test_size=TEST_EXAMPLES, random_state=SPLIT_SEED, stratify=labels
    )
    return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}


def source(split: str) -> Source:
    """Return the split `train` (1,437) or `test` (360): [8, 8, 1], bright ink on black."""
    if split not in ("train", "test"):
        raise ValueError(f"digits has the splits train and test, not '{split}'.")
    images, labels = _splits()[split]
    return Source(
        name="digits",
        split=split,
        classes=tuple("0123456789"),
        shape=images.shape[1:],
        size=len(labels),
        read=lambda indices: (images[list(indices)], labels[list(indices)]),
    )
