"""Photos of varying sizes are evaluated whole, beyond the central square."""

import numpy as np

from cnn_history import datasets, evaluation
from cnn_history.training import feed
from tests.datasets import files

SCALES = (9,)


def means(view):
    """Colours for probabilities."""
    return view.mean((1, 2))


def test_each_once_and_whole(tmp_path):
    for i, (height, width) in enumerate([(12, 30), (30, 12), (16, 16)]):
        path = tmp_path / "val" / "ab"[i % 2] / f"{i}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.jpeg(height, width, seed=i))
    source = datasets.source("folder", "val", str(tmp_path))
    images, labels = source.read(range(len(source)))
    assert len({image.shape for image in images}) == 3

    def predict(batch):
        made = evaluation.crops144(means, batch["image"] / 255, size=8, scales=SCALES)
        return {"probabilities": made, "label": batch["label"]}

    made = feed.one_by_one(predict, source, print, lambda h, w: None)
    np.testing.assert_array_equal(made["label"], labels)
    expected = [
        np.asarray(evaluation.crops144(means, image[None] / np.float32(255), 8, SCALES))[0]
        for image in images
    ]
    np.testing.assert_allclose(made["probabilities"], expected, atol=1e-5)
