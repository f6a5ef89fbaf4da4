import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import evaluation
from cnn_history.datasets import examples
from tests.training import settings


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16])
def test_every_example_counts_once(n):
    images = np.arange(n, dtype=np.float32)[:, None]
    seen = []

    def function(batch):
        seen.append(len(batch))
        return {"twice": 2 * batch}

    batches = examples.Whole(settings.source(images, np.zeros(n))).batches(8, range(8))
    batches = (batch["image"] for batch in batches)
    made = evaluation.over_batches(function, batches, n, jnp.asarray)
    np.testing.assert_array_equal(made["twice"], 2 * images)
    assert set(seen) == {8}  # one shape, so one compiled program


def test_errors_by_hand():
    probabilities = np.array(
        [
            [0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
            [0.1, 0.1, 0.1, 0.1, 0.1, 0.5],
            [0.1, 0.2, 0.3, 0.2, 0.15, 0.05],
            [0.0, 0.2, 0.2, 0.2, 0.2, 0.2],
            [0.1, 0.2, 0.3, 0.2, 0.15, 0.05],  # the fifth
        ]
    )
    result = evaluation.errors(probabilities, np.array([0, 0, 5, 0, 0]))
    assert result == {"top1_error": 0.8, "top5_error": pytest.approx(0.4), "count": 5}


def test_single_crop_is_the_centre():
    images = np.random.default_rng(0).random((2, 7, 9, 3))
    made = evaluation.single_crop(lambda crop: crop, images, size=4)
    np.testing.assert_array_equal(made, images[:, 2:6, 2:6])
    with pytest.raises(ValueError, match="no 8x8 crop fits in images of 7x9"):
        evaluation.single_crop(lambda crop: crop, images, size=8)
