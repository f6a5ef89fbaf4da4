"""Preprocessing: from the uint8 [h, w, c] of a data set to the network's input; pure functions.

Training: crop at the network's size, in [0, 1] -> colours -> subtract the mean -> shifts. Test: the
adapter's crop, in [0, 1] -> subtract the mean.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.datasets import crops
from cnn_history.datasets.adapters import UNCHANGED, unit, unit_range
from cnn_history.datasets.augment import Augmentation


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of test images: uint8 [..., h, w, c] -> float [..., size, size, c].

    Attributes:
      size: side of the network's input.
      adapter: brings images of another size to it; a name in ADAPTERS.
      mean: subtracted from values in [0, 1]; broadcasts against [size, size, c].
      std: divides the result; broadcasts likewise.
      classes: names of the network's classes, if it was loaded from a work directory.
    """

    size: int
    adapter: str
    mean: np.ndarray
    std: np.ndarray
    classes: tuple[str, ...] = ()

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return the network's input."""
        return self.values(self.unit(images))

    def unit(self, images: jax.Array) -> jax.Array:
        """Return the images at the network's size, in [0, 1]."""
        return unit_range(images, self.size, self.adapter)

    def after_a_loader(self) -> "Preprocessing":
        """Return the steps that remain once a loader has brought images to the network's size."""
        return dataclasses.replace(self, adapter=UNCHANGED)

    def values(self, unit: jax.Array) -> jax.Array:
        """[..., h, w, c] in [0, 1], of any size, -> the network's values.

        If a mean image has another size, its mean colour is subtracted instead.
        """
        mean = jnp.asarray(self.mean)
        if mean.ndim == 3 and mean.shape[:2] != unit.shape[-3:-1]:
            mean = mean.mean((0, 1))
        return (unit - mean) / jnp.asarray(self.std)


class Keys(NamedTuple):
    """Random keys for the three places of an `Augmentation`, of a run or of an image."""

    crop: jax.Array
    colour: jax.Array
    shift: jax.Array


def training_image(
    keys: Keys, image: jax.Array, preprocessing: Preprocessing, augmentation: Augmentation
) -> jax.Array:
    """uint8 [h, w, c] -> float [size, size, c].

    Args:
      keys: the image's.
      image: from the data set, or cropped by a loader to the network's size.
      preprocessing: of test images; it scales training images too.
      augmentation: without `crop` if the adapter or the loader does the cropping.
    """
    if augmentation.crop is None:
        image = preprocessing.unit(image)
    else:
        draws = jax.random.uniform(keys.crop, (crops.DRAWS,))
        part = augmentation.crop(draws, *image.shape[:2], preprocessing.size)
        image = crops.cut(unit(image), part, preprocessing.size)
    image = augmentation.colour(keys.colour, image)
    return augmentation.shift(keys.shift, preprocessing.values(image))


class Images(NamedTuple):
    """How a run prepares its images.

    Attributes:
      preprocessing: of test images; it scales training images too.
      augmentation: of training images.
    """

    preprocessing: Preprocessing
    augmentation: Augmentation

    def after_a_loader(self) -> "Images":
        """Return the steps that remain once a loader has cropped the training images."""
        return Images(self.preprocessing.after_a_loader(), self.augmentation._replace(crop=None))

    def training(
        self, keys: Keys, images: jax.Array, ids: jax.Array, epochs: jax.Array
    ) -> jax.Array:
        """uint8 [n, h, w, c] -> the network's input; each example's keys are (key, epoch, example).

        The result therefore does not depend on batch, device or process.

        Args:
          keys: the run's.
          images: [n, h, w, c].
          ids: int [n], the examples' indices in the data set.
          epochs: int [n].
        """

        def one(image, example, epoch):
            own = (jax.random.fold_in(jax.random.fold_in(key, epoch), example) for key in keys)
            return training_image(Keys(*own), image, *self)

        return jax.vmap(one)(images, ids, epochs)
