"""Augmentations: pure functions `(key, image [h, w, c]) -> image [h, w, c]` of preprocessed images."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def none(key: jax.Array, image: jax.Array) -> jax.Array:
    """Leave the image as it is."""
    del key
    return image


def pad_crop_flip(key: jax.Array, image: jax.Array) -> jax.Array:
    """Pad 4 zeros on each side, cut the old size at random, mirror every second one.

    Source: He et al. 2015, sec. 4.2, after Lee et al. 2015. The mean has been subtracted before, so
    that zeros are the mean.
    """
    crop_key, flip_key = jax.random.split(key)
    offset = jax.random.randint(crop_key, (2,), 0, 2 * PAD + 1)
    padded = jnp.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)))
    image = jax.lax.dynamic_slice(padded, (*offset, 0), image.shape)
    return jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image)


PAD = 4

AUGMENTATIONS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "none": none,
    "pad_crop_flip": pad_crop_flip,
}


def batch(
    augmentation: Callable, key: jax.Array, images: jax.Array, ids: jax.Array, epochs: jax.Array
) -> jax.Array:
    """Augment [n, h, w, c], each example by the key of (key, epoch, example).

    So it is the same whatever batch, device or process the example falls to.

    Args:
      augmentation: one of AUGMENTATIONS.
      key: of the run.
      images: [n, h, w, c].
      ids: int [n], the examples' indices in the data set.
      epochs: int [n].
    """

    def one(image, example, epoch):
        return augmentation(jax.random.fold_in(jax.random.fold_in(key, epoch), example), image)

    return jax.vmap(one)(images, ids, epochs)
