"""Dense evaluation at several scales: Simonyan & Zisserman 2014, sec. 4.2."""

from collections.abc import Sequence

import jax

from cnn_history.evaluation import views
from cnn_history.evaluation.dense import dense

SCALES = (256, 384, 512)  # of the shorter side, for S in [256, 512]


def multi_scale_dense(
    probabilities: views.Probabilities,
    images: jax.Array,
    size: int,
    scales: Sequence[int] = SCALES,
) -> jax.Array:
    """Return the mean over scales of the dense class probabilities, [n, classes].

    The paper takes {S - 32, S, S + 32} for a network trained at one S, and {256, 384, 512} for one
    trained on S in [256, 512]; He et al. 2015 take {224, 256, 384, 480, 640}.
    Raises ValueError if a scale is smaller than `size`.

    Args:
      probabilities: as of `dense`.
      images: [n, h, w, c], of any scale.
      size: of the images that the network was trained on.
      scales: lengths of the shorter side.
    """
    scaled = (views.at_scale(images, scale) for scale in scales)
    return views.mean(lambda images: dense(probabilities, images, size), scaled)
