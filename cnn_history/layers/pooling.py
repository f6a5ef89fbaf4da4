"""Pooling layers. They are modules, so that a trace of a network sees them under their names."""

import functools
import math
from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp


def _padding(size: int, window: int, stride: int, pad: int, ceil_mode: bool) -> tuple[int, int]:
    """Return the padding before and behind that makes a VALID pooling give the wanted windows.

    Ceil mode (Caffe's, hence GoogLeNet's) adds the last, partial window, if it starts inside the
    image or its first padding.
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
      padding: positions added on every side; they never win.
      ceil_mode: keep a last window that reaches over the edge, as Caffe does.
    """

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: int = 0
    ceil_mode: bool = False

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h', w', c]."""
        padding = _paddings(x, self.window, self.strides, self.padding, self.ceil_mode)
        return _max_pool(x, self.window, self.strides, tuple(padding))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _max_pool(x, window, strides, padding):
    return nn.max_pool(x, window, strides, padding)


@_max_pool.defjvp
def _differentiate(window, strides, padding, primals, tangents):
    """Differentiate; on a CPU as a walk through the windows' places, all windows at once.

    XLA:CPU takes a gradient back one window after the other, which is 2 to 10 times as slow
    (docs/speed.md). Of equal values the first counts, in both. The largest is found again, as a
    place: comparing with the pooled values would not do, as XLA may compute what is pooled twice,
    rounded otherwise each time.
    """
    if jax.default_backend() != "cpu":
        return jax.jvp(lambda x: nn.max_pool(x, window, strides, padding), primals, tangents)
    ((x,), (dx,)) = primals, tangents
    y = _max_pool(x, window, strides, padding)
    largest, chosen = jnp.full_like(y, -jnp.inf), jnp.zeros(y.shape, jnp.int8)
    for place, values in enumerate(_places(x, y.shape, window, strides, padding, -jnp.inf)):
        larger = values > largest
        largest, chosen = jnp.where(larger, values, largest), jnp.where(larger, place, chosen)
    moves = enumerate(_places(dx, y.shape, window, strides, padding, 0))
    return y, sum(jnp.where(chosen == place, move, 0) for place, move in moves)


def _places(
    x: jax.Array,
    shape: tuple[int, ...],
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], ...],
    filling: float,
) -> Iterator[jax.Array]:
    """Yield, for each place in a window, what stands there in all windows: arrays of `shape`."""
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)), constant_values=filling)
    ends = [(size - 1) * step + 1 for size, step in zip(shape[1:3], strides, strict=True)]
    for i in range(window[0]):
        for j in range(window[1]):
            yield x[:, i : i + ends[0] : strides[0], j : j + ends[1] : strides[1]]


class AvgPool(nn.Module):
    """Mean of each window; attributes as in MaxPool.

    Attributes:
      count_padding: whether a window's mean counts the zeros of `padding` (torch's default, and
        Caffe's); positions that ceil mode adds beyond them are never counted.
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
        counted = jnp.ones((1, *x.shape[1:3], 1), wide.dtype)
        if self.count_padding:
            p = self.padding
            counted = jnp.pad(counted, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=1)
            beyond = [(before - p, behind - p) for before, behind in padding]
        else:
            beyond = padding
        sums = nn.pooling.pool(wide, 0.0, jax.lax.add, self.window, self.strides, padding)
        counts = nn.pooling.pool(counted, 0.0, jax.lax.add, self.window, self.strides, beyond)
        return (sums / counts).astype(x.dtype)


class GlobalAvgPool(nn.Module):
    """Mean over all positions (Lin et al. 2013, "Network in network", sec. 3.2)."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, c]."""
        return jnp.mean(x, (1, 2))


class AdaptiveAvgPool(nn.Module):
    """Mean of each cell of a grid that covers the image, whatever its size (torch's).

    Cell i of m covers positions floor(i·s/m) to ceil((i+1)·s/m) - 1 of s: neighbours overlap where
    m does not divide s, cells repeat positions where m is larger, and m = s is the identity.

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
