"""Convolution in the form that XLA runs best on a CPU; on other devices it is XLA's own.

Where XLA:CPU is slow there is a way around, each found by measurement (docs/speed.md):

* groups: one convolution for each;
* few output maps: outputs that lie side by side are computed as further maps of one position;
* 3x3 windows on many channels: Winograd's algorithm;
* the gradient of the kernel, for which images are transposed: a barrier keeps that strided loop
  from computing anew what led to them, and of few channels it is the sum over parts of the batch.

The function is the same, and so are its derivatives of every order and mode: what is given is a
rule for forward differentiation, of linear pieces whose transposes are what shall run backward.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers import forms, linear, winograd

LAYOUT = ("NHWC", "HWIO", "NHWC")
# How many groups at most are taken apart; a depthwise convolution is not.
GROUPS = 8
# How many outputs of a row at most are packed, and how many maps a position then has at most, by
# the channels that an output reads; and for which windows those of two rows are, on few channels.
PACKED = 4
PACKED_MAPS, PACKED_MAPS_OF_IMAGES = 48, 128
IMAGE_CHANNELS = 3
LARGE_WINDOW, FEW_CHANNELS, MAPS_OF_TWO_ROWS = 5, 16, 64
# How many images a part has in the gradient of a kernel of at most so many channels.
PART, CHANNELS_IN_PARTS = 16, 32
# Winograd's algorithm: products of a channel and a map for each of both, positions, and products of
# all of these, at least, since it takes as long to compile for a few images as for many; and what
# share of a side tiles of four may add to it.
PRODUCTS, POSITIONS, WORK, WASTE = 60, 768, 60_000_000, 1 / 16


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, int],
    padding: Any,
    feature_group_count: int = 1,
    dimension_numbers: Any = LAYOUT,
    **options: Any,
) -> jax.Array:
    """[n, h, w, c], [k, k, c / groups, f] -> [n, h', w', f]; as `jax.lax.conv_general_dilated`."""
    groups = feature_group_count
    dilated = any(set(options.get(name) or [1]) != {1} for name in ("lhs_dilation", "rhs_dilation"))
    other = dilated or options.get("precision") is not None or x.ndim != 4 or groups > GROUPS
    if forms.xlas_own() or other:
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            strides,
            padding,
            feature_group_count=groups,
            dimension_numbers=dimension_numbers,
            **options,
        )
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    strides, padding = tuple(strides), tuple(map(tuple, padding))
    if groups == 1:
        return _convolve(x, kernel, strides, padding)
    parts = [
        _convolve(_group(x, i, groups), _group(kernel, i, groups), strides, padding)
        for i in range(groups)
    ]
    return jnp.concatenate(parts, axis=-1)


class Conv(nn.Conv):
    """`flax.linen.Conv` by `convolve`."""

    conv_general_dilated: Any = convolve


def _group(array, i, groups):
    size = array.shape[-1] // groups
    return jax.lax.slice_in_dim(array, i * size, (i + 1) * size, axis=-1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _convolve(x, kernel, strides, padding):
    if m := tile(x, kernel, strides):
        return winograd.convolve(x, kernel, padding, m, winograd.by_window)
    return _packed(x, kernel, strides, padding)


@functools.partial(_convolve.defjvp, symbolic_zeros=True)
def _differentiate(strides, padding, primals, tangents):
    (x, kernel), (dx, dkernel) = primals, tangents
    y = _convolve(x, kernel, strides, padding)
    pieces = []
    if _given(dx):
        pieces.append(_of_images(dx, kernel, strides, padding))
    if _given(dkernel):
        pieces.append(_of_kernel(x, dkernel, strides, padding))
    return y, sum(pieces) if pieces else jnp.zeros_like(y)


def _given(tangent):
    return not isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _plain(x, kernel, strides, padding):
    return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=LAYOUT)


def tile(x: jax.Array, kernel: jax.Array, strides: tuple[int, int]) -> int:
    """Return how many outputs a side of Winograd's tiles has, or 0 where it is not faster."""
    _, _, c, f = kernel.shape
    positions = x.size // c
    many = c * f >= PRODUCTS * (c + f) and positions >= POSITIONS and positions * c * f >= WORK
    exact = jnp.finfo(x.dtype).bits >= 32
    if kernel.shape[:2] != (3, 3) or strides != (1, 1) or not (many and exact):
        return 0
    return 4 if all(-side % 4 <= side * WASTE for side in x.shape[1:3]) else 2


def _of_kernel(x, kernel, strides, padding):
    """Convolve; what runs backward is the gradient of the kernel: by tiles, packed or in parts.

    Of several devices each would send what Winograd makes of the kernel, four times its size, or
    its part of the batch, which XLA does not find again in the packed form.
    """
    alone = jax.device_count() == 1
    by_tiles = alone and tile(x, kernel, strides) == 4

    def forward(kernel, x):
        return _plain(x, kernel, strides, padding)

    def back(dy, x):
        x, dy = jax.lax.optimization_barrier((x, dy))

        def convolve(kernel):
            if by_tiles:
                return winograd.convolve(x, kernel, padding, 4, winograd.by_matrix)
            if alone and x.shape[3] == 1:  # parts would have too little to do
                return _packed(x, kernel, strides, padding)
            return _in_parts(x, kernel, strides, padding)

        (made,) = jax.linear_transpose(convolve, kernel)(dy)
        return made

    return linear.call(forward, back, kernel, x)


def _in_parts(x, kernel, strides, padding):
    """Convolve the batch in parts.

    Images are dealt out to the parts in turn, so that each part has as many of every device.
    """
    images = PART * jax.device_count()
    parts = len(x) // images
    if x.shape[3] > CHANNELS_IN_PARTS or len(x) % images or parts <= 1:
        return _plain(x, kernel, strides, padding)
    dealt = x.reshape(images, parts, *x.shape[1:])
    made = [_plain(dealt[:, i], kernel, strides, padding) for i in range(parts)]
    return jnp.stack(made, axis=1).reshape(len(x), *made[0].shape[1:])


def _packed(x, kernel, strides, padding):
    """Compute outputs that lie side by side as further maps of one position.

    Their kernels, each moved on by a stride, lie in a wider one, with zeros around them.
    """
    n, *size, _ = jax.eval_shape(lambda *a: _plain(*a, strides, padding), x, kernel).shape
    rows, columns = packing(size, kernel.shape)
    if rows == columns == 1:
        return _plain(x, kernel, strides, padding)
    (down, across), maps = strides, kernel.shape[3]
    moved = [
        jnp.pad(kernel, (_around(i, rows, down), _around(j, columns, across), (0, 0), (0, 0)))
        for i in range(rows)
        for j in range(columns)
    ]
    wide = jnp.concatenate(moved, axis=-1)
    y = _plain(x, wide, (rows * down, columns * across), padding)
    y = y.reshape(*y.shape[:3], rows, columns * maps).swapaxes(2, 3)
    return y.reshape(n, *size, maps)


def _around(i, count, step):
    """Return the zeros before and behind the i-th of `count` kernels in their wider one."""
    return i * step, (count - 1 - i) * step


def packing(size: tuple[int, int], kernel: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return of how many rows, and how many columns, outputs are computed as one position.

    Args:
      size: (h', w') of the outputs.
      kernel: its shape, [k, k, c, f].
    """
    height, width = size
    *window, channels, maps = kernel
    if window[1] == 1:  # packing would double the work
        return 1, 1
    most = PACKED_MAPS_OF_IMAGES if channels <= IMAGE_CHANNELS else PACKED_MAPS
    fitting = (m for m in range(2, PACKED + 1) if width % m == 0 and m * maps <= most)
    columns = max(fitting, default=1)
    large = min(window) >= LARGE_WINDOW and channels <= FEW_CHANNELS and columns > 1
    two = large and height % 2 == 0 and 2 * columns * maps <= MAPS_OF_TWO_ROWS
    return 2 if two else 1, columns


def _of_images(x, kernel, strides, padding):
    """Convolve; what runs backward is again a convolution, if the stride is 1."""
    if strides != (1, 1):
        return _plain(x, kernel, strides, padding)
    around = tuple(
        (size - 1 - before, size - 1 - behind)
        for size, (before, behind) in zip(kernel.shape[:2], padding, strict=True)
    )

    def forward(x, kernel):
        return _plain(x, kernel, strides, padding)

    def back(dy, kernel):
        kernel = kernel[::-1, ::-1]
        turned = kernel.swapaxes(2, 3)
        if m := tile(dy, turned, strides):
            return winograd.convolve(dy, kernel, around, m, winograd.by_turned_matrix)
        return _packed(dy, turned, strides, around)

    return linear.call(forward, back, x, kernel)
