"""144 views of each image: Szegedy et al. 2014, sec. 7."""

from collections.abc import Iterator, Sequence

import jax

from cnn_history.datasets.crops import middle
from cnn_history.evaluation import views

SCALES = (256, 288, 320, 352)  # of the shorter side


def crops144(
    probabilities: views.Probabilities,
    images: jax.Array,
    size: int,
    scales: Sequence[int] = SCALES,
) -> jax.Array:
    """Return the mean of the class probabilities of 4 x 3 x 6 x 2 views, [n, classes].

    At each scale "the left, center and right square of these resized images (in the case of
    portrait images, we take the top, center and bottom squares)"; of each square "the 4 corners and
    the center 224x224 crop as well as the square resized to 224x224, and their mirrored versions".
    The three squares of a square image coincide, so their views are taken once; all scales have
    equal weight. Raises ValueError if a scale is smaller than `size`.

    Args:
      probabilities: [n, size, size, c] -> [n, classes].
      images: [n, h, w, c], of any scale.
      size: of the crops.
      scales: lengths of the shorter side.
    """

    def crops(scaled):
        for square in squares(scaled):
            views.check_crop(square, size)
            for place in (*views.corners(square, size), views.centre(square, size)):
                yield views.crop(square, place, size)
            yield views.resize(square, size)

    def of_scale(scaled):
        return views.mean(probabilities, views.and_mirrored(crops(scaled)))

    return views.mean(of_scale, (views.at_scale(images, scale) for scale in scales))


def squares(images: jax.Array) -> Iterator[jax.Array]:
    """Yield left, centre and right square, or top, centre and bottom; one of a square image."""
    h, w = images.shape[1:3]
    side, excess = min(h, w), abs(h - w)
    for offset in (0, middle(max(h, w), side), excess) if excess else (0,):
        yield views.crop(images, (0, offset) if w > h else (offset, 0), side)
