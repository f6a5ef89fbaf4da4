"""Ten views of each image: Krizhevsky et al. 2012, sec. 4.1."""

import jax

from cnn_history.evaluation import views


def ten_crop(probabilities: views.Probabilities, images: jax.Array, size: int) -> jax.Array:
    """Return the mean of the class probabilities of ten views, [n, classes].

    "Five 224x224 patches (the four corner patches and the center patch) as well as their horizontal
    reflections", of images of 256x256 in the paper. Raises ValueError if the images are smaller
    than `size`.

    Args:
      probabilities: [n, size, size, c] -> [n, classes].
      images: [n, h, w, c].
      size: of the crops.
    """
    views.check_crop(images, size)
    places = [*views.corners(images, size), views.centre(images, size)]
    crops = (views.crop(images, place, size) for place in places)
    return views.mean(probabilities, views.and_mirrored(crops))
