"""Adapters: how an image of any size is brought to the network's input size.

An adapter chooses the size that an image is scaled to. A scaled image that is too large is cropped
about its centre; one that is too small is padded with zeros on all sides. Both images in memory
(`unit_range`) and loaders of files (`crop`) use the same table.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.datasets import crops, resizing
from cnn_history.lookup import lookup

MARGIN = 8 / 7  # shorter side of a photo over the network's input size: 256 for 224
WARPED = 32  # warped photos have sides that are multiples of this


def pad(h: int, w: int, size: int) -> tuple[int, int]:
    """Pad the unscaled image with zeros; raise ValueError if it is larger than `size`."""
    if max(h, w) > size:
        raise ValueError(
            f"images of {h}x{w} cannot be padded to {size}x{size}; crop or resize them."
        )
    return h, w


def crop(h: int, w: int, size: int) -> tuple[int, int]:
    """Take the centre of the unscaled image; raise ValueError if it is smaller than `size`."""
    if min(h, w) < size:
        raise ValueError(
            f"no {size}x{size} can be cut out of images of {h}x{w}; pad or resize them."
        )
    return h, w


def resize(h: int, w: int, size: int) -> tuple[int, int]:
    """Scale both sides to `size`; the aspect ratio is lost."""
    del h, w
    return size, size


def resize_crop(h: int, w: int, size: int) -> tuple[int, int]:
    """Scale the shorter side to 8/7 of `size`, as torchvision does: 256 for 224, 342 for 299."""
    return crops.shorter_side(h, w, with_margin(size))


def warp_crop(h: int, w: int, size: int) -> tuple[int, int]:
    """Scale both sides to 8/7 of `size` in 32nds, as BVLC's Caffe does: 256 for 224 and 227."""
    del h, w
    side = WARPED * round(size * MARGIN / WARPED)
    return side, side


def square(h: int, w: int, size: int) -> tuple[int, int]:
    """Scale the shorter side to `size`."""
    return crops.shorter_side(h, w, size)


# (h, w, size) -> (rows, columns) that the image is scaled to
ADAPTERS: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    "pad": pad,
    "crop": crop,
    "resize": resize,
    "resize_crop": resize_crop,
    "square": square,
    "warp_crop": warp_crop,
}
UNCHANGED = "resize"  # leaves images of the network's own size as they are
OF_ANY_SIZE = (
    "resize",
    "resize_crop",
    "square",
    "warp_crop",
)  # adapters that accept images of every size


def with_margin(size: int) -> int:
    """Return the shorter side to which photos are scaled before views of `size` are cropped."""
    return round(size * MARGIN)


def check_any_size(name: str) -> None:
    """Raise ValueError if an adapter cannot take images of varying size."""
    if name not in OF_ANY_SIZE:
        raise ValueError(
            f"'{name}' does not take images of varying size; use one of {', '.join(OF_ANY_SIZE)}."
        )


def for_any_size(name: str) -> crops.CropFunction:
    """Return an adapter as a crop; raise ValueError if it cannot take images of varying size."""
    check_any_size(name)

    def centre(draws, h: int, w: int, size: int) -> crops.Crop:
        del draws
        scaled = ADAPTERS[name](h, w, size)
        return crops.of_scaled(h, w, *scaled, *(crops.middle(side, size) for side in scaled), size)

    return centre


def shown(pixels: np.ndarray, size: int, name: str) -> np.ndarray:
    """Return the network's view of a test photo, uint8 [h, w, c] -> [size, size, c].

    Equals, bit for bit, torchvision's Resize and CenterCrop applied to a Pillow image.
    """
    scaled = ADAPTERS[name](*pixels.shape[:2], size)
    top, left = (crops.middle(side, size) for side in scaled)
    return resizing.whole(pixels, *scaled)[top : top + size, left : left + size]


def unit(images: jax.Array) -> jax.Array:
    """uint8 -> values in [0, 1]; float64 if jax enables it. NumPy arrays stay NumPy arrays."""
    return images.astype(jnp.result_type(float)) / 255


def unit_range(images: jax.Array, size: int, adapter: str) -> jax.Array:
    """uint8 [..., h, w, c] -> [..., size, size, c] in [0, 1]: a traceable `shown`.

    Values 0..255 of another type are resized in the same way, but not rounded to grey levels.
    """
    *batch, h, w, c = images.shape
    rows, columns = lookup(ADAPTERS, adapter, "adapter")(h, w, size)
    if images.dtype == np.uint8:
        images = unit(resizing.levels(images, rows, columns))
    else:
        images = jax.image.resize(unit(images), (*batch, rows, columns, c), "bilinear")
    cut = [(0, 0, 0)] * len(batch)
    for side in (rows, columns):
        before = crops.middle(side, size)
        cut.append((-before, size - side + before, 0))
    return jax.lax.pad(images, jnp.zeros((), images.dtype), (*cut, (0, 0, 0)))
