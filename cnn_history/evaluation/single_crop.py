"""One view of each image."""

from collections.abc import Callable

import jax


def single_crop(
    probabilities: Callable[[jax.Array], jax.Array], images: jax.Array, size: int
) -> jax.Array:
    """Return the class probabilities [n, classes] of the centre `size` x `size` of each image.

    An image of that size is taken whole. Raises ValueError if the images are smaller.
    """
    h, w = images.shape[1:3]
    if min(h, w) < size:
        raise ValueError(f"no {size}x{size} crop fits in images of {h}x{w}.")
    top, left = (h - size) // 2, (w - size) // 2
    return probabilities(images[:, top : top + size, left : left + size])
