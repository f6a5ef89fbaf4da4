"""150 views of each image: Simonyan & Zisserman 2014, sec. 3.2."""

from collections.abc import Sequence

import jax

from cnn_history.evaluation import views

SCALES = (256, 384, 512)  # of the shorter side; sec. 4.2
GRID = 5


def crops150(
    probabilities: views.Probabilities,
    images: jax.Array,
    size: int,
    scales: Sequence[int] = SCALES,
) -> jax.Array:
    """Return the mean of the class probabilities of 3 x 5x5 x 2 views, [n, classes].

    "50 crops per scale (5x5 regular grid with 2 flips), for a total of 150 crops over 3 scales".
    Reading: the grid spans the whole image from corner to corner; positions are rounded down.
    Raises ValueError if a scale is smaller than `size`.

    Args:
      probabilities: [n, size, size, c] -> [n, classes].
      images: [n, h, w, c], of any scale.
      size: of the crops.
      scales: lengths of the shorter side.
    """

    def crops():
        for scale in scales:
            scaled = views.at_scale(images, scale)
            views.check_crop(scaled, size)
            tops, lefts = ([i * (s - size) // (GRID - 1) for i in range(GRID)]
                           for s in scaled.shape[1:3])  # fmt: skip
            for top in tops:
                for left in lefts:
                    yield views.crop(scaled, (top, left), size)

    return views.mean(probabilities, views.and_mirrored(crops()))
