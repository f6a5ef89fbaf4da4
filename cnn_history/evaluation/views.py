"""Views of images: crops, mirror images and enlargements for the protocols, and their mean.

Views of NumPy arrays are made on the host, without a compiled program for each size of image.
"""

from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.datasets import crops

Probabilities = Callable[[jax.Array], jax.Array]


def mean(probabilities: Probabilities, views: Iterable[jax.Array]) -> jax.Array:
    """Return the mean of `probabilities(view)` over the views, which are made one after another.

    Outside `jax.jit`, only a few views are in memory at a time, and a compiled `probabilities` is
    compiled once for all views of one shape. Inside, all views form one program.
    """
    total, count = 0.0, 0
    for view in views:
        total, count = total + probabilities(view), count + 1
    return total / count


def and_mirrored(views: Iterable[jax.Array]) -> Iterator[jax.Array]:
    """Yield each view [n, h, w, c] and its mirror image."""
    for view in views:
        yield view
        yield view[:, :, ::-1]


def crop(images: jax.Array, corner: tuple[int, int], size: int) -> jax.Array:
    """[n, h, w, c] -> [n, size, size, c], the square whose upper left is `corner`, (top, left)."""
    top, left = corner
    return images[:, top : top + size, left : left + size]


def check_crop(images: jax.Array, size: int) -> None:
    """Raise ValueError unless a square of `size` fits in the images."""
    h, w = images.shape[1:3]
    if min(h, w) < size:
        raise ValueError(f"no {size}x{size} crop fits in images of {h}x{w}.")


def centre(images: jax.Array, size: int) -> tuple[int, int]:
    """Return the corner of the square in the middle."""
    h, w = images.shape[1:3]
    return crops.middle(h, size), crops.middle(w, size)


def corners(images: jax.Array, size: int) -> list[tuple[int, int]]:
    """Return the corners of the squares at the images' four corners."""
    h, w = images.shape[1:3]
    return [(top, left) for top in (0, h - size) for left in (0, w - size)]


def at_scale(images: jax.Array, scale: int) -> jax.Array:
    """Resize the shorter side to `scale`, bilinear (antialiased when shrinking)."""
    n, h, w, c = images.shape
    if min(h, w) == scale:
        return images
    return _resize(images, (n, *crops.shorter_side(h, w, scale), c))


def resize(images: jax.Array, size: int) -> jax.Array:
    """Resize to [n, size, size, c], by the same interpolation."""
    n, _, _, c = images.shape
    return _resize(images, (n, size, size, c))


def _resize(images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    if isinstance(images, np.ndarray):
        return _resize_on_the_host(images, shape)
    return _compiled_resize(jnp.asarray(images), shape)


_compiled_resize = jax.jit(
    lambda images, shape: jax.image.resize(images, shape, "bilinear"), static_argnums=1
)


def _resize_on_the_host(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resize without compiling a program for each size: one matrix product per axis."""
    _, h, w, _ = images.shape
    _, rows, columns, _ = shape
    made = np.tensordot(_weights(h, rows, images.dtype), images, (1, 1))
    made = np.tensordot(made, _weights(w, columns, images.dtype), (2, 1))
    return made.transpose(1, 0, 3, 2)


def _weights(old: int, new: int, dtype: np.dtype) -> np.ndarray:
    """Return the triangle weights of old positions in each new one, [new, old].

    Positions are rounded as in `jax.image.resize`, so both agree to 1e-6.
    """
    step = dtype.type(1 / (new / old))
    places = ((np.arange(new) + 0.5) * float(step) - 0.5).astype(dtype)
    distances = np.abs(np.arange(old, dtype=dtype) - places[:, None]) / max(step, dtype.type(1))
    weights = np.maximum(0, 1 - distances)
    return weights / weights.sum(1, keepdims=True)
