"""Pooling that treats one place of all windows at a time (docs/speed.md)."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from cnn_history.cpu import processors
from cnn_history.cpu.form import Form

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


@dataclasses.dataclass(frozen=True)
class _Windows(Form):
    """A pooling of [n, h, w, c], or its transpose; `own` is jax's function.

    Attributes:
      images: shape and dtype of the pooled array.
      back: whether this is the transpose.
    """

    own: Callable
    window: Pair
    strides: Pair
    padding: Pads
    images: Any
    back: bool = False

    def transposed(self, i, *arrays):
        """Return the function in the other direction."""
        return dataclasses.replace(self, back=not self.back)(*arrays)

    def _own(self, x):
        return self.own(x, self.window, self.strides, self.padding)

    def _places(self, x, filling=0) -> Iterator[jax.Array]:
        """Yield, for each place in a window, the values there in all windows."""
        shape = jax.eval_shape(self._own, x).shape
        x = jnp.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=filling)
        ends = [(size - 1) * step + 1 for size, step in zip(shape[1:3], self.strides, strict=True)]
        for i in range(self.window[0]):
            for j in range(self.window[1]):
                yield x[:, i : i + ends[0] : self.strides[0], j : j + ends[1] : self.strides[1]]


def max_pool(plain: Callable, x: jax.Array, *geometry) -> jax.Array:
    """[n, h, w, c] -> [n, h', w', c]; equals `plain`, `layers.pooling.max_pool`.

    XLA:CPU's own gradient visits one window after another, which is many times slower. In both
    forms the first of equal values counts.
    """
    return _max_pool(x, (plain, *geometry))


def window_sums(plain: Callable, x: jax.Array, window: Pair, strides: Pair, padding: Pads):
    """[n, h, w, c] -> [n, h', w', c]; equals `plain`, `layers.pooling.window_sums`.

    Small windows that do not overlap are summed place by place.
    """
    few = math.prod(window) <= processors.PROCESSOR.places_summed
    if not few or window != strides or padding != ((0, 0), (0, 0)):
        return plain(x, window, strides, padding)
    return _Sums(plain, window, strides, padding, jax.typeof(x))(x)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _max_pool(x, geometry):
    return _Largest(*geometry, jax.typeof(x))(x)


@_max_pool.defjvp
def _differentiate(geometry, primals, tangents):
    return _max_pool(*primals, geometry), _AtLargest(*geometry, jax.typeof(*primals))(
        *tangents, *primals
    )


class _Largest(_Windows):
    """The largest value of each window. Linear in no array: its derivative is defined above."""

    linear = 0

    def plain(self, x):
        return self._own(x)

    def cpu(self, x):
        # Without the barrier, each reader of the result would pool again.
        return jax.lax.optimization_barrier(
            functools.reduce(jnp.maximum, self._places(x, -jnp.inf))
        )


class _AtLargest(_Windows):
    """The values of dx where x has the largest value of each window; or the transpose."""

    def plain(self, dx, x):
        def take(dx):
            return jax.jvp(self._own, (x,), (dx,))[1]

        return jax.linear_transpose(take, self.images)(dx)[0] if self.back else take(dx)

    def cpu(self, dx, x):
        chosen = self._chosen(x)
        if self.back:
            return _given_back(dx, chosen, x.shape, self.window, self.strides, self.padding)
        moves = enumerate(self._places(dx))
        return sum(jnp.where(chosen == place, move, 0) for place, move in moves)

    def cut(self, partition, *arrays):
        """Keep images whole: XLA gets the transpose of stride-1 windows wrong on two devices."""
        moved, x = map(partition.keep_whole, arrays)
        return dataclasses.replace(self, images=jax.typeof(x)).plain(moved, x)

    def _chosen(self, x):
        """Return the place of the largest value in each window.

        It searches again instead of comparing with the pooled values: XLA may compute the input
        twice, with different roundings, so that no value equals the pooled one.
        """
        shape = jax.eval_shape(self._own, x).shape
        largest, chosen = jnp.full(shape, -jnp.inf, x.dtype), jnp.zeros(shape, jnp.int8)
        for place, values in enumerate(self._places(x, -jnp.inf)):
            larger = values > largest
            largest, chosen = jnp.where(larger, values, largest), jnp.where(larger, place, chosen)
        return chosen


class _Sums(_Windows):
    """The sum of each of windows that do not overlap; or the transpose."""

    def plain(self, x):
        return jax.linear_transpose(self._own, self.images)(x)[0] if self.back else self._own(x)

    def cpu(self, x):
        if not self.back:
            return sum(self._places(x))
        x = jnp.repeat(jnp.repeat(x, self.window[0], 1), self.window[1], 2)
        sides = zip(self.images.shape[1:3], x.shape[1:3], strict=True)
        return jnp.pad(x, ((0, 0), *((0, whole - made) for whole, made in sides), (0, 0)))


# The primitives behind `layers.MaxPool`.
MAX_POOL = (_Largest, _AtLargest)


def _given_back(dy, chosen, shape, window, strides, padding):
    """Add dy [n, h', w', c] at the chosen place of each window -> [n, h, w, c].

    It visits the positions within a stride one by one, each in all strides at once: the windows
    that contain such a position, and their places of it, are the same in every stride.
    """
    counts = [-(-size // step) for size, step in zip(shape[1:3], strides, strict=True)]
    geometry = list(zip(window, strides, padding, counts, dy.shape[1:3], strict=True))
    # Windows outside of the image chose no place.
    margins = [
        ((k - 1) // step, max(0, count + (step - 1 + before) // step - windows))
        for k, step, (before, _), count, windows in geometry
    ]
    around = ((0, 0), *margins, (0, 0))
    dy = jax.lax.optimization_barrier(jnp.pad(dy, around))
    chosen = jax.lax.optimization_barrier(jnp.pad(chosen, around, constant_values=-1))

    def windows_with(axis, position):
        """Yield the windows that contain a position of a stride, as (first window, place)."""
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
