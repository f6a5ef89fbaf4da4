"""One view of each image."""

import jax

from cnn_history.evaluation import views


def single_crop(probabilities: views.Probabilities, images: jax.Array, size: int) -> jax.Array:
    """Return the class probabilities [n, classes] of the centre `size` x `size` of each image.

    An image of exactly that size is used whole. Raises ValueError if the images are smaller.
    """
    views.check_crop(images, size)
    return probabilities(views.crop(images, views.centre(images, size), size))
