"""The network applied to the whole image: Simonyan & Zisserman 2014, sec. 3.2."""

import jax

from cnn_history.evaluation import views


def dense(probabilities: views.Probabilities, images: jax.Array, size: int) -> jax.Array:
    """Return the class probabilities of whole images and their mirror images, mean, [n, classes].

    "The fully-connected layers are first converted to convolutional layers [...] the class score
    map is spatially averaged (sum-pooled) [...] the soft-max class posteriors of the original and
    flipped images are averaged". The networks here give the mean of the class scores of all
    positions, so that a softmax of theirs is the paper's reading. The other one takes the softmax
    at each position and averages after it; for it `probabilities` gives [n, h', w', classes], the
    softmax of `models.scores_by_position`. Raises ValueError if the images are smaller than `size`.

    Args:
      probabilities: [n, h, w, c] -> [n, classes], or those of each position.
      images: [n, h, w, c], at the scale at which the network sees them.
      size: of the images that it was trained on.
    """
    views.check_crop(images, size)
    both = views.and_mirrored([images])
    return views.mean(lambda view: over_positions(probabilities(view)), both)


def over_positions(made: jax.Array) -> jax.Array:
    """[n, h', w', classes] -> [n, classes], their mean; [n, classes] stay."""
    return made.mean(tuple(range(1, made.ndim - 1)))
