"""From a data set's images to a network's: size first, then values."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.lookup import lookup

# LeCun et al. 1998, sec. II-B: background -0.1 and foreground 1.175, so that the mean of an input
# is about 0 and its variance about 1.
BACKGROUND_1998, FOREGROUND_1998 = -0.1, 1.175


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
    n, h, w, c = images.shape
    shorter = round(size * 8 / 7)
    scaled = [side * shorter // min(h, w) for side in (h, w)]
    return crop(jax.image.resize(images, (n, *scaled, c), "bilinear"), size)


ADAPTERS: dict[str, Callable[[jax.Array, int], jax.Array]] = {
    "pad": pad,
    "crop": crop,
    "resize": resize,
    "resize_crop": resize_crop,
}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """uint8 [n, h, w, c] -> float32 [n, size, size, c]: (adapted / 255 - mean) / std.

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
    """uint8 [n, h, w, c] -> float32 in [0, 1], [n, size, size, c]."""
    images = images.astype(jnp.float32) / 255
    if images.shape[1:3] == (size, size):
        return images
    return lookup(ADAPTERS, adapter, "adapter")(images, size)


def unit(images: np.ndarray, size: int, adapter: str) -> Preprocessing:
    """Values in [0, 1]."""
    del images
    return Preprocessing(size, adapter, np.float32(0), np.float32(1))


def lenet_1998(images: np.ndarray, size: int, adapter: str) -> Preprocessing:
    """Background -0.1 and foreground 1.175, for bright ink on black."""
    del images
    contrast = FOREGROUND_1998 - BACKGROUND_1998
    mean, std = -BACKGROUND_1998 / contrast, 1 / contrast
    return Preprocessing(size, adapter, np.float32(mean), np.float32(std))


def per_pixel_mean(images: np.ndarray, size: int, adapter: str) -> Preprocessing:
    """Values in [0, 1] less the mean training image (He et al. 2015, sec. 4.2)."""
    chunk = 1000
    sums = jax.jit(lambda part: jnp.sum(unit_range(part, size, adapter), 0))
    total = np.zeros((size, size, images.shape[-1]))
    for start in range(0, len(images), chunk):
        total += np.asarray(sums(images[start : start + chunk]), np.float64)
    mean = (total / len(images)).astype(np.float32)
    return Preprocessing(size, adapter, mean, np.float32(1))


# (all training images [n, h, w, c] uint8, size, adapter) -> Preprocessing
SCALINGS: dict[str, Callable[[np.ndarray, int, str], Preprocessing]] = {
    "unit": unit,
    "lenet_1998": lenet_1998,
    "per_pixel_mean": per_pixel_mean,
}
