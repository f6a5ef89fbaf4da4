"""Resize uint8 images: bilinear, antialiased when shrinking, rounded to grey levels.

Whole test images equal Pillow's bit for bit: `whole` takes a decoded photo, and `levels` takes
arrays, also inside a compiled program. Training crops use cykooz.resizer, which takes a third of
Pillow's time, or Pillow on platforms without its wheel. Both round to grey levels between the
horizontal and the vertical pass, so they differ by at most one level.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

try:
    import cykooz_resizer
except ImportError:
    cykooz_resizer = None

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

ROWS, COLUMNS = -3, -2  # the axes of [..., h, w, c]
PRECISION = 22  # bits of a weight, as in Pillow for 8-bit images
UNROLLED = 8  # most input pixels per output pixel that a program adds without a loop


def whole(pixels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return an image resized as by Pillow: uint8 [h, w, c] -> [rows, columns, c]."""
    picture, new = _picture(pixels), {ROWS: rows, COLUMNS: columns}
    for axis in _order(*pixels.shape[:2], rows, columns):
        size = {ROWS: picture.height, COLUMNS: picture.width, axis: new[axis]}
        picture = picture.resize((size[COLUMNS], size[ROWS]), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(rows, columns, -1)


def levels(images: jax.Array, rows: int, columns: int) -> jax.Array:
    """Return `whole` of arrays: uint8 [..., h, w, c] -> [..., rows, columns, c]."""
    new = {ROWS: rows, COLUMNS: columns}
    for axis in _order(*images.shape[ROWS:-1], rows, columns):
        if images.shape[axis] != new[axis]:
            images = _along(images, axis, new[axis])
    return images


def _order(h: int, w: int, rows: int, columns: int) -> tuple[int, int]:
    """Return which axis is resized first; rounding in between makes a difference of one level.

    Earlier releases of Pillow always resize horizontally first. The rule of 13.0 was found by
    trial.
    """
    down_first = h - rows > max(0, 2 * (w - columns))
    return (ROWS, COLUMNS) if down_first else (COLUMNS, ROWS)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _along(images: jax.Array, axis: int, new: int) -> jax.Array:
    """Resize one axis in integer arithmetic: each level is a sum weighted by `_weights`."""

    def add(total, one):
        place, weight = one
        pixels = jnp.take(images, place, axis, mode="clip").astype(jnp.int32)
        return total + pixels * weight.reshape(-1, *(1,) * (-1 - axis)), None

    shape = list(images.shape)
    shape[axis] = new
    half = jnp.full(shape, 1 << (PRECISION - 1), jnp.int32)
    total, _ = jax.lax.scan(add, half, _weights(images.shape[axis], new), unroll=UNROLLED)
    return (total >> PRECISION).astype(jnp.uint8)


@functools.cache
def _weights(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the old pixels that make each new one, and their weights: int32 [most, new].

    Weights are triangles as wide as the wider of a new and an old pixel, in PRECISION bits. The
    arithmetic follows Pillow, operation by operation.
    """
    reach = max(old / new, 1.0)
    centres = (np.arange(new) + 0.5) * (old / new)
    first = np.maximum((centres - reach + 0.5).astype(np.int32), 0)
    end = np.minimum((centres + reach + 0.5).astype(np.int32), old)
    places = first + np.arange(2 * math.ceil(reach) + 1, dtype=np.int32)[:, None]
    weights = np.maximum(0, 1 - np.abs((places - centres + 0.5) * (1 / reach))) * (places < end)
    weights /= weights.sum(0)
    return places, (weights * (1 << PRECISION) + 0.5).astype(np.int32)


def by_pillow(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return a crop resized by Pillow, uint8 [size, size, c]."""
    made = _picture(pixels).resize((size, size), Image.Resampling.BILINEAR, box)
    return np.asarray(made).reshape(size, size, -1)


def by_cykooz(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return a crop resized by cykooz, horizontally first; in its own order, up to 2 levels off."""
    h, w, channels = pixels.shape
    left, top, right, bottom = box
    kind = {1: cykooz_resizer.PixelType.U8, 3: cykooz_resizer.PixelType.U8x3}[channels]
    bilinear = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.bilinear)
    resizer = cykooz_resizer.Resizer()
    picture = cykooz_resizer.ImageData(w, h, kind, pixels.tobytes())
    across = cykooz_resizer.CropBox(left, 0, right - left, h)
    down = cykooz_resizer.CropBox(0, top, size, bottom - top)
    for rows, part in ((h, across), (size, down)):
        made = cykooz_resizer.ImageData(size, rows, kind)
        options = cykooz_resizer.ResizeOptions(bilinear, use_alpha=False, crop_box=part)
        resizer.resize(picture, made, options)
        picture = made
    return np.frombuffer(picture.get_buffer(), np.uint8).reshape(size, size, channels)


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)


LIBRARY, resize = ("cykooz.resizer", by_cykooz) if cykooz_resizer else ("pillow", by_pillow)
