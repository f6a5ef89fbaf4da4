"""From a data set's images to a network's: size first, then values."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.lookup import lookup

MARGIN = 8 / 7  # the shorter side of a photo, times the network's size: 256 for 224


def pad(images: jax.Array, size: int) -> jax.Array:
    """Centre [n, h, w, c] in zeros of [n, size, size, c]; raise ValueError if they are larger."""
    missing = [size - side for side in images.shape[1:3]]
    if min(missing) < 0:
        h, w = images.shape[1:3]
        raise ValueError(
            f"images of {h}x{w} cannot be padded to {size}x{size}; crop or resize them."
        )
    sides = [(m // 2, m - m // 2) for m in missing]
    return jnp.pad(images, ((0, 0), *sides, (0, 0)))


def crop(images: jax.Array, size: int) -> jax.Array:
    """Cut [n, size, size, c] out of the centre; raise ValueError if the images are smaller."""
    h, w = images.shape[1:3]
    if min(h, w) < size:
        raise ValueError(
            f"no {size}x{size} can be cut out of images of {h}x{w}; pad or resize them."
        )
    top, left = (h - size) // 2, (w - size) // 2
    return images[:, top : top + size, left : left + size]


def resize(images: jax.Array, size: int) -> jax.Array:
    """Resize to [n, size, size, c], bilinear (with antialiasing where it shrinks)."""
    n, _, _, c = images.shape
    return jax.image.resize(images, (n, size, size, c), "bilinear")


def resize_crop(images: jax.Array, size: int) -> jax.Array:
    """Resize the shorter side to 8/7 of `size`, bilinear, and cut [n, size, size, c] out.

    256 for 224, and 342 for 299, as torchvision has it, with antialiasing; where the margins are
    odd, the cut is half a position before the middle (there it may be behind).
    """
    return crop(_shorter_side(images, round(size * MARGIN)), size)


def square(images: jax.Array, size: int) -> jax.Array:
    """Resize the shorter side to `size`, bilinear, and cut [n, size, size, c] out of the centre."""
    return crop(_shorter_side(images, size), size)


def _shorter_side(images: jax.Array, shorter: int) -> jax.Array:
    n, h, w, c = images.shape
    scaled = [side * shorter // min(h, w) for side in (h, w)]
    return jax.image.resize(images, (n, *scaled, c), "bilinear")


ADAPTERS: dict[str, Callable[[jax.Array, int], jax.Array]] = {
    "pad": pad,
    "crop": crop,
    "resize": resize,
    "resize_crop": resize_crop,
    "square": square,
}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """uint8 [n, h, w, c] -> float [n, size, size, c]: (adapted / 255 - mean) / std.

    Attributes:
      size: of the images that the network takes.
      adapter: how images of another size reach it, a name in ADAPTERS.
      mean: subtracted from values in [0, 1]; broadcasts against [size, size, c].
      std: the result is divided by it, likewise.
    """

    size: int
    adapter: str
    mean: np.ndarray
    std: np.ndarray

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return the network's images."""
        return self.values(unit_range(images, self.size, self.adapter))

    def values(self, unit: jax.Array) -> jax.Array:
        """[n, h, w, c] in [0, 1], of any size, -> the network's values.

        Images of another size than a mean image lose its mean colour.
        """
        mean = jnp.asarray(self.mean)
        if mean.ndim == 3 and mean.shape[:2] != unit.shape[1:3]:
            mean = mean.mean((0, 1))
        return (unit - mean) / jnp.asarray(self.std)


def unit_range(images: jax.Array, size: int, adapter: str) -> jax.Array:
    """uint8 [n, h, w, c] -> [n, size, size, c] in [0, 1]; float64 where jax has it on."""
    images = images.astype(float) / 255
    if images.shape[1:3] == (size, size):
        return images
    return lookup(ADAPTERS, adapter, "adapter")(images, size)
