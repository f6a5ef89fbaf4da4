"""Pooling layers. They are modules, so that a traced network shows them by name."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.layers import forms


def _padding(size: int, window: int, stride: int, pad: int, ceil_mode: bool) -> tuple[int, int]:
    """Return the padding before and after an axis that gives a VALID pooling the wanted windows.

    Ceil mode (Caffe's, hence GoogLeNet's) adds a last, partial window if it starts inside the image
    or its leading padding.
    """
    windows = (size + 2 * pad - window) / stride
    if not ceil_mode:
        return pad, pad
    count = math.ceil(windows) + 1
    if (count - 1) * stride >= size + pad:
        count -= 1
    return pad, max(pad, (count - 1) * stride + window - size - pad)


def _paddings(x, window, strides, pad, ceil_mode):
    return [
        _padding(size, k, s, pad, ceil_mode)
        for size, k, s in zip(x.shape[1:3], window, strides, strict=True)
    ]


class MaxPool(nn.Module):
    """Largest value of each window.

    Attributes:
      window: (k, k).
      strides: (s, s).
      padding: positions added on every side; they are never the largest.
      ceil_mode: keep a last window that extends beyond the edge, as Caffe does.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: int = 0
    ceil_mode: bool = False

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h', w', c]."""
        padding = _paddings(x, self.window, self.strides, self.padding, self.ceil_mode)
        return max_pool(x, self.window, self.strides, tuple(padding))


@forms.replaceable
def max_pool(
    x: jax.Array,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> jax.Array:
    """[n, h, w, c] -> [n, h', w', c]: the largest of each window."""
    return nn.max_pool(x, window, strides, padding)


class AvgPool(nn.Module):
    """Mean of each window; attributes as in MaxPool.

    Attributes:
      count_padding: whether a window's mean counts the zeros of `padding`, as in Caffe and by
        default in torch. Positions that ceil mode adds beyond them never count.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: int = 0
    ceil_mode: bool = False
    count_padding: bool = True

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h', w', c]; summed in float32 or wider."""
        padding = _paddings(x, self.window, self.strides, self.padding, self.ceil_mode)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        sums = window_sums(wide, self.window, self.strides, tuple(padding))
        around = self.padding if self.count_padding else 0
        rows, columns = (
            _counts(*axis, around)
            for axis in zip(x.shape[1:3], self.window, self.strides, padding, strict=True)
        )
        return (sums / np.outer(rows, columns)[..., None].astype(wide.dtype)).astype(x.dtype)


def _counts(
    size: int, window: int, stride: int, padding: tuple[int, int], around: int
) -> np.ndarray:
    """Return the number of positions in each window, of the axis and of the padding `around` it."""
    starts = np.arange(0, size + sum(padding) - window + 1, stride) - padding[0]
    return np.minimum(starts + window, size + around) - np.maximum(starts, -around)


@forms.replaceable
def window_sums(
    x: jax.Array,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> jax.Array:
    """[n, h, w, c] -> [n, h', w', c]: the sum of each window."""
    return nn.pooling.pool(x, 0.0, jax.lax.add, window, strides, padding)


class GlobalAvgPool(nn.Module):
    """Mean over all positions (Lin et al. 2013, "Network in network", sec. 3.2)."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, c]."""
        return jnp.mean(x, (1, 2))


class AdaptiveAvgPool(nn.Module):
    """Mean of each cell of a grid over an image of any size (torch's adaptive pooling).

    Cell i of m covers positions floor(i·s/m) to ceil((i+1)·s/m) - 1 of s. Neighbours overlap if m
    does not divide s, cells repeat positions if m > s, and m = s is the identity.

    Attributes:
      size: (h', w') of the grid.
    """

    size: tuple[int, int]

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h', w', c]."""
        for axis, cells in zip((1, 2), self.size, strict=True):
            size = x.shape[axis]
            if size == cells:
                continue
            starts = [i * size // cells for i in range(cells)]
            ends = [-(-(i + 1) * size // cells) for i in range(cells)]
            means = [
                jnp.mean(jax.lax.slice_in_dim(x, start, end, axis=axis), axis)
                for start, end in zip(starts, ends, strict=True)
            ]
            x = jnp.stack(means, axis)
        return x
