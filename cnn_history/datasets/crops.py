"""Crops: which part of an image becomes the network's input, and two ways to cut it out.

A crop is a pure function `(draws, h, w, size) -> Crop`: `draws` are DRAWS uniform numbers in
[0, 1), numpy's in a loader's thread or jax's in a compiled step; `size` is the side of the
network's square input. A crop is given in the image's own pixels, so one interpolation scales and
cuts; it is bilinear and antialiased, since the papers name none.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.datasets import images, resizing

ATTEMPTS = 10  # draws of an area and aspect before the centre is taken instead
DRAWS = 3 + 2 * ATTEMPTS
PLACES = 1 << 20  # fractions of a pixel; sums and differences of such positions are exact

ALEXNET_SHORTER = 256  # Krizhevsky et al. 2012, sec. 2; Zeiler & Fergus 2013, sec. 3.1


class Crop(NamedTuple):
    """A rectangle in (fractional) pixels of an image, and whether it is mirrored."""

    top: Any
    left: Any
    height: Any
    width: Any
    mirrored: Any


CropFunction = Callable[[Any, int, int, int], Crop]


def draws(seed: int, epoch: int, example: int) -> np.ndarray:
    """Return a loader's uniform numbers for one example in one epoch, [DRAWS]."""
    bits = np.random.Philox(key=seed, counter=[0, 0, epoch, example])
    return np.random.Generator(bits).random(DRAWS)


def shorter_side(h: int, w: int, length: int) -> tuple[int, int]:
    """Return (rows, columns) of an image of (h, w) whose shorter side is scaled to `length`.

    The longer side is rounded down, as torchvision's Resize does. Loader, adapters and protocols
    all call this function.
    """
    return tuple(side * length // min(h, w) for side in (h, w))


def middle(side: int, size: int) -> int:
    """Return where the central `size` of a side begins; negative if the side is shorter.

    Half of an odd margin is rounded to the even number. An odd padding puts the smaller half first.
    Both follow torchvision's CenterCrop. Loader, adapters and protocols all call this function.
    """
    return round((side - size) / 2) if side >= size else -((size - side) // 2)


def of_scaled(
    h: int, w: int, rows: Any, columns: Any, top: Any, left: Any, size: int, mirrored: Any = False
) -> Crop:
    """Return the `size` x `size` at (top, left) of an image scaled to rows x columns."""
    return Crop(top * h / rows, left * w / columns, size * h / rows, size * w / columns, mirrored)


def _of_square(h: int, w: int, shorter: int, top: Any, left: Any, size: int, mirrored: Any) -> Crop:
    """Return the same for the central square of an image whose shorter side is scaled."""
    rows, columns = shorter_side(h, w, shorter)
    top, left = middle(rows, shorter) + top, middle(columns, shorter) + left
    return of_scaled(h, w, rows, columns, top, left, size, mirrored)


def random_position(draws, h: int, w: int, size: int, scales: tuple[int, int]) -> Crop:
    """Scale the shorter side at random, then crop `size` x `size` at random; mirrored or not.

    `scales` are the smallest and the largest length; all whole numbers between are equally likely.

    Source: Simonyan & Zisserman 2014, sec. 3.1; He et al. 2015, sec. 3.4.
    """
    xp = draws.__array_namespace__()
    shorter = scales[0] + xp.floor(draws[0] * (scales[1] - scales[0] + 1))
    scaled = shorter_side(h, w, shorter)
    corner = (xp.floor(u * (s - size + 1)) for u, s in zip(draws[1:3], scaled, strict=True))
    return of_scaled(h, w, *scaled, *corner, size, draws[3] < 0.5)


def random_in_centre(draws, h: int, w: int, size: int, shorter: int = ALEXNET_SHORTER) -> Crop:
    """A random `size` x `size` crop of the central square scaled to `shorter`; mirrored or not.

    Source: Krizhevsky et al. 2012, sec. 2 (the square) and 4.1.
    """
    xp = draws.__array_namespace__()
    top, left = (xp.floor(u * (shorter - size + 1)) for u in draws[1:3])
    return _of_square(h, w, shorter, top, left, size, draws[3] < 0.5)


def one_of_ten(draws, h: int, w: int, size: int, shorter: int = ALEXNET_SHORTER) -> Crop:
    """One of ten crops: a corner or the centre of that central square, mirrored or not.

    Source: Zeiler & Fergus 2013, sec. 3.1.
    """
    xp = draws.__array_namespace__()
    which = xp.floor(draws[0] * 5)
    free = shorter - size
    top = xp.where(which == 4, free // 2, (which // 2) * free)
    left = xp.where(which == 4, free // 2, (which % 2) * free)
    return _of_square(h, w, shorter, top, left, size, draws[3] < 0.5)


def random_area(
    draws, h: int, w: int, size: int, area: tuple[float, float], aspect: tuple[float, float]
) -> Crop:
    """A crop of random area, aspect (width to height) and position; mirrored or not.

    The paper's patches have a size "distributed evenly between 8% and 100% of the image area", and
    an aspect "chosen randomly between 3/4 and 4/3". Here the area and the logarithm of the aspect
    are drawn uniformly, up to ATTEMPTS times, until the crop lies in the image; if none does, the
    largest central crop with an allowed aspect is taken. Large areas are therefore rarer than the
    paper's words suggest: on a photo of 375x500 the mean area is 0.43 of the image, and 0.54 if it
    were uniform.

    Source: Szegedy et al. 2014, sec. 6.
    """
    del size
    xp = draws.__array_namespace__()
    areas = h * w * (area[0] + (area[1] - area[0]) * draws[3 : 3 + ATTEMPTS])
    low, high = np.log(aspect[0]), np.log(aspect[1])
    aspects = xp.exp(low + (high - low) * draws[3 + ATTEMPTS :])
    widths = xp.maximum(xp.rint(xp.sqrt(areas * aspects)), 1)
    heights = xp.maximum(xp.rint(xp.sqrt(areas / aspects)), 1)
    fits = (widths <= w) & (heights <= h)
    first = xp.argmax(fits)  # argmax returns the first
    fallback_width, fallback_height = min(w, h * aspect[1]), min(h, w / aspect[0])
    width = xp.where(fits[first], widths[first], fallback_width)
    height = xp.where(fits[first], heights[first], fallback_height)
    top = xp.where(fits[first], xp.floor(draws[0] * (h - height + 1)), (h - height) / 2)
    left = xp.where(fits[first], xp.floor(draws[1] * (w - width + 1)), (w - width) / 2)
    return Crop(top, left, height, width, draws[2] < 0.5)


def cut(image: jax.Array, crop: Crop, size: int) -> jax.Array:
    """Return the part of [h, w, c] resized to [size, size, c], float."""
    scale = jnp.stack([size / jnp.asarray(side, image.dtype) for side in (crop.height, crop.width)])
    start = jnp.stack([jnp.asarray(place, image.dtype) for place in (crop.top, crop.left)])
    shape = (size, size, image.shape[-1])
    part = jax.image.scale_and_translate(image, shape, (0, 1), scale, -start * scale, "linear")
    return jnp.where(crop.mirrored, part[:, ::-1], part)


def decode(
    data: bytes, channels: int, crop: CropFunction, draws: np.ndarray | None, size: int
) -> np.ndarray:
    """Return a crop of an encoded image, uint8 [size, size, channels].

    A JPEG file is decoded at a half, a quarter or an eighth of its size if that still has enough
    pixels.

    Raises images.Damaged.

    Args:
      data: the file's bytes.
      channels: 1 or 3.
      crop: chooses the part.
      draws: random numbers for `crop`.
      size: side of the result.
    """
    h, w = images.size(data)
    part = crop(draws, h, w, size)
    shrinks = min(part.height, part.width) / size
    below = math.ceil(part.top + part.height + max(part.height / size, 1.0))
    pixels, divisor = images.shrunk(data, channels, shrinks, below)
    top, left, height, width = (float(place) / divisor for place in part[:4])
    rows, top, bottom = _window(top, height, -(-h // divisor), size)
    columns, left, right = _window(left, width, pixels.shape[1], size)
    made = resizing.resize(pixels[rows, columns], (left, top, right, bottom), size)
    return _mirrored(made) if part.mirrored else made


def _mirrored(image: np.ndarray) -> np.ndarray:
    """Return a mirrored copy of [h, w, c]; copying each channel takes a fifth of the time."""
    made = np.empty_like(image)
    for channel in range(image.shape[-1]):
        made[..., channel] = image[:, ::-1, channel]
    return made


def _window(start: float, length: float, side: int, size: int) -> tuple[slice, float, float]:
    """Return the pixels that interpolating a crop reads, and the crop's ends within them."""
    reach = max(length / size, 1.0)  # of the antialiasing filter, on each side
    first = max(0, math.floor(start - reach))
    last = min(side, math.ceil(start + length + reach))
    ends = max(start - first, 0.0), min(start + length, side) - first
    return slice(first, last), *(round(end * PLACES) / PLACES for end in ends)
