"""The network applied to the whole image: Simonyan & Zisserman 2014, sec. 3.2."""

import jax

from cnn_history.evaluation import views


def dense(probabilities: views.Probabilities, images: jax.Array, size: int) -> jax.Array:
    """Return mean class probabilities of whole images and their mirror images, [n, classes].

    "The fully-connected layers are first converted to convolutional layers [...] the class score
    map is spatially averaged (sum-pooled) [...] the soft-max class posteriors of the original and
    flipped images are averaged". The networks here return the class scores averaged over all
    positions, so the softmax of their output is the paper's reading. The other reading takes the
    softmax at each position and then averages; for it, `probabilities` returns
    [n, h', w', classes], the softmax of `models.scores_by_position`. Raises ValueError if the
    images are smaller than `size`.

    Args:
      probabilities: [n, h, w, c] -> [n, classes], or those of each position.
      images: [n, h, w, c], at the scale of evaluation.
      size: of the training images.
    """
    views.check_crop(images, size)
    both = views.and_mirrored([images])
    return views.mean(lambda view: over_positions(probabilities(view)), both)


def over_positions(made: jax.Array) -> jax.Array:
    """[n, h', w', classes] -> [n, classes], the mean; [n, classes] is returned unchanged."""
    return made.mean(tuple(range(1, made.ndim - 1)))
