"""Augmentations of preprocessed images: pure functions `(key, image [h, w, c]) -> image`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

PAD = 4  # He et al. 2015, sec. 4.2


def none(key: jax.Array, image: jax.Array) -> jax.Array:
    """Leave the image as it is."""
    del key
    return image


def translate(key: jax.Array, image: jax.Array) -> jax.Array:
    """Shift by up to 4 pixels each way, the edge repeated.

    Source: the translations among the distortions of LeCun et al. 1998, sec. III-B.
    """
    return _random_crop(key, jnp.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)), "edge"), image.shape)


def pad_crop_flip(key: jax.Array, image: jax.Array) -> jax.Array:
    """Pad 4 zeros on each side, cut the old size at random, mirror every second one.

    Source: He et al. 2015, sec. 4.2, after Lee et al. 2015. The mean has been subtracted before, so
    that zeros are the mean.
    """
    crop_key, flip_key = jax.random.split(key)
    padded = jnp.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)))
    image = _random_crop(crop_key, padded, image.shape)
    return jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image)


def _random_crop(key: jax.Array, padded: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    offset = jax.random.randint(key, (2,), 0, 2 * PAD + 1)
    return jax.lax.dynamic_slice(padded, (*offset, 0), shape)


AUGMENTATIONS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "none": none,
    "translate": translate,
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
