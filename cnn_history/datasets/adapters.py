"""Adapters: how an image of any size reaches the network's.

An adapter says to which size an image is scaled; what is then too much is cut off on all sides, and
what is missing is filled with zeros. The same table serves images in memory (`unit_range`) and a
loader that decodes and cuts files (`crop`).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.datasets import crops, resizing
from cnn_history.lookup import lookup

MARGIN = 8 / 7  # the shorter side of a photo, times the network's size: 256 for 224
WARPED = 32  # photos that are squeezed have sides of a multiple of it


def pad(h: int, w: int, size: int) -> tuple[int, int]:
    """As it is, in the middle of zeros; raise ValueError if it is larger."""
    if max(h, w) > size:
        raise ValueError(
            f"images of {h}x{w} cannot be padded to {size}x{size}; crop or resize them."
        )
    return h, w


def crop(h: int, w: int, size: int) -> tuple[int, int]:
    """As it is, and the centre of it; raise ValueError if it is smaller."""
    if min(h, w) < size:
        raise ValueError(
            f"no {size}x{size} can be cut out of images of {h}x{w}; pad or resize them."
        )
    return h, w


def resize(h: int, w: int, size: int) -> tuple[int, int]:
    """To the network's size; its aspect becomes that of a square."""
    del h, w
    return size, size


def resize_crop(h: int, w: int, size: int) -> tuple[int, int]:
    """The shorter side to 8/7 of `size`: 256 for 224, and 342 for 299, as torchvision has it."""
    return crops.shorter_side(h, w, with_margin(size))


def warp_crop(h: int, w: int, size: int) -> tuple[int, int]:
    """Both sides to 8/7 of `size`, in 32nds: 256 for 224 and 227, as BVLC's Caffe has it."""
    del h, w
    side = WARPED * round(size * MARGIN / WARPED)
    return side, side


def square(h: int, w: int, size: int) -> tuple[int, int]:
    """The shorter side to `size`."""
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
)  # those that no image is too large or small for


def with_margin(size: int) -> int:
    """Return the shorter side of the photos that views of `size` are cut from."""
    return round(size * MARGIN)


def check_any_size(name: str) -> None:
    """Raise ValueError if an adapter is not for images of varying size."""
    if name not in OF_ANY_SIZE:
        raise ValueError(
            f"'{name}' is not for images of varying size; it is one of {', '.join(OF_ANY_SIZE)}."
        )


def for_any_size(name: str) -> crops.CropFunction:
    """Return an adapter as a crop; raise ValueError if it is not for images of varying size."""
    check_any_size(name)

    def centre(draws, h: int, w: int, size: int) -> crops.Crop:
        del draws
        scaled = ADAPTERS[name](h, w, size)
        return crops.of_scaled(h, w, *scaled, *(crops.middle(side, size) for side in scaled), size)

    return centre


def shown(pixels: np.ndarray, size: int, name: str) -> np.ndarray:
    """Return what a network sees of a photo under test, uint8 [h, w, c] -> [size, size, c].

    To the bit what torchvision's Resize and CenterCrop make of an image of Pillow's.
    """
    scaled = ADAPTERS[name](*pixels.shape[:2], size)
    top, left = (crops.middle(side, size) for side in scaled)
    return resizing.whole(pixels, *scaled)[top : top + size, left : left + size]


def unit(images: jax.Array) -> jax.Array:
    """uint8 -> values in [0, 1]; float64 where jax has it on. NumPy's arrays stay NumPy's."""
    return images.astype(jnp.result_type(float)) / 255


def unit_range(images: jax.Array, size: int, adapter: str) -> jax.Array:
    """uint8 [..., h, w, c] -> [..., size, size, c] in [0, 1]: what `shown` gives, traceable.

    Values 0..255 of another type are resized likewise, without rounding to levels.
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
