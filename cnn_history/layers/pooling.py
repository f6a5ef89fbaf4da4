"""Pooling layers. They are modules, so that a trace of a network sees them under their names."""

import functools
import itertools
import math
from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers import forms, linear

# Of how many values a sum of a window is written out: a program grows with them.
FEW_PLACES = 9


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
        return max_pool(x, self.window, self.strides, tuple(padding))


def max_pool(
    x: jax.Array,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> jax.Array:
    """[n, h, w, c] -> [n, h', w', c]: the largest of each window, in the form that runs best."""
    pool = nn.max_pool if forms.xlas_own() else by_place
    return pool(x, window, strides, padding)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def by_place(x, window, strides, padding):
    """The same, place by place of the windows, all windows at once (docs/speed.md)."""
    shape = jax.eval_shape(lambda x: nn.max_pool(x, window, strides, padding), x).shape
    return functools.reduce(jnp.maximum, _places(x, shape, window, strides, padding, -jnp.inf))


@by_place.defjvp
def _differentiate(window, strides, padding, primals, tangents):
    """Differentiate, place by place as well.

    XLA:CPU takes a gradient back one window after the other, which is many times as slow. Of equal
    values the first counts, in both. The largest is found again, as a place: comparing with the
    pooled values would not do, as XLA may compute what is pooled twice, rounded otherwise each
    time.
    """
    ((x,), (dx,)) = primals, tangents
    y = by_place(x, window, strides, padding)
    largest, chosen = jnp.full_like(y, -jnp.inf), jnp.zeros(y.shape, jnp.int8)
    for place, values in enumerate(_places(x, y.shape, window, strides, padding, -jnp.inf)):
        larger = values > largest
        largest, chosen = jnp.where(larger, values, largest), jnp.where(larger, place, chosen)

    def take(dx, chosen):
        moves = enumerate(_places(dx, y.shape, window, strides, padding, 0))
        return sum(jnp.where(chosen == place, move, 0) for place, move in moves)

    def give_back(dy, chosen):
        return _given_back(dy, chosen, x.shape, window, strides, padding)

    return y, linear.call(take, give_back, dx, chosen)


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


def _given_back(dy, chosen, shape, window, strides, padding):
    """[n, h', w', c], the chosen places of as many windows -> their sums where those stand.

    A stride's positions are looked at one by one, each of them in all strides at once: which
    windows have it, and at which place, is then the same for all.
    """
    counts = [-(-size // step) for size, step in zip(shape[1:3], strides, strict=True)]
    geometry = list(zip(window, strides, padding, counts, dy.shape[1:3], strict=True))
    # The windows around, which are none, chose no place.
    margins = [
        ((k - 1) // step, max(0, count + (step - 1 + before) // step - windows))
        for k, step, (before, _), count, windows in geometry
    ]
    around = ((0, 0), *margins, (0, 0))
    dy = jax.lax.optimization_barrier(jnp.pad(dy, around))
    chosen = jax.lax.optimization_barrier(jnp.pad(chosen, around, constant_values=-1))

    def windows_with(axis, position):
        """Yield the first window that has a position of a stride, and at which of its places."""
        k, step, (before, _), _, _ = geometry[axis]
        first, place = divmod(position + before, step)
        while place < k:
            yield margins[axis][0] + first, place
            first, place = first - 1, place + step

    def sums(position):
        rows, columns = (list(windows_with(axis, position[axis])) for axis in (0, 1))
        total = jnp.zeros((shape[0], *counts, shape[3]), dy.dtype)
        for (top, i), (left, j) in itertools.product(rows, columns):
            part = slice(None), slice(top, top + counts[0]), slice(left, left + counts[1])
            total += jnp.where(chosen[part] == i * window[1] + j, dy[part], 0)
        return total

    rows = [jnp.stack([sums((i, j)) for j in range(strides[1])], axis=3) for i in range(strides[0])]
    made = jnp.stack(rows, axis=2)
    made = made.reshape(shape[0], counts[0] * strides[0], counts[1] * strides[1], shape[3])
    return jax.lax.optimization_barrier(made[:, : shape[1], : shape[2]])


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
        sums = window_sums(wide, self.window, self.strides, tuple(padding))
        counts = nn.pooling.pool(counted, 0.0, jax.lax.add, self.window, self.strides, beyond)
        return (sums / counts).astype(x.dtype)


def window_sums(
    x: jax.Array,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], ...],
) -> jax.Array:
    """Sum each window: [n, h, w, c] -> [n, h', w', c].

    On a CPU place by place, where few values each are summed that no other window has.
    """
    apart = window == strides and padding == ((0, 0), (0, 0)) and math.prod(window) <= FEW_PLACES
    if forms.xlas_own() or not apart:
        return nn.pooling.pool(x, 0.0, jax.lax.add, window, strides, padding)
    size = x.shape[1:3]
    blocks = [side // k for side, k in zip(size, window, strict=True)]
    shape = (len(x), *blocks, x.shape[3])

    def add(x):
        return sum(_places(x, shape, window, strides, padding, 0))

    def give_back(dy):
        dy = jnp.repeat(jnp.repeat(dy, window[0], 1), window[1], 2)
        left_out = [(0, whole - made) for whole, made in zip(size, dy.shape[1:3], strict=True)]
        return jnp.pad(dy, ((0, 0), *left_out, (0, 0)))

    return linear.call(add, give_back, x)


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
