"""Crops and dense evaluation together: Simonyan & Zisserman 2014, sec. 4.3."""

from collections.abc import Sequence

import jax

from cnn_history.evaluation import views
from cnn_history.evaluation.crops150 import SCALES, crops150
from cnn_history.evaluation.dense import over_positions
from cnn_history.evaluation.multi_scale_dense import multi_scale_dense


def multi_crop_and_dense(
    probabilities: views.Probabilities,
    images: jax.Array,
    size: int,
    scales: Sequence[int] = SCALES,
) -> jax.Array:
    """Return the mean of the results of `crops150` and `multi_scale_dense`, [n, classes].

    "The complementarity of the two evaluation techniques by averaging their soft-max outputs."
    Takes their arguments and raises their errors.
    """
    crops = crops150(lambda view: over_positions(probabilities(view)), images, size, scales)
    return (crops + multi_scale_dense(probabilities, images, size, scales)) / 2
