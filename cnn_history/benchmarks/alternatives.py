"""Alternative implementations of layers, with the same results, to compare with ours.

Each takes our implementation as its first argument (`layers.forms.replaced`).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental import pallas
from jax.experimental.pallas import triton

IMAGE_CHANNELS = 3
# A program of the Pallas kernel sums ROWS rows of CHANNELS channels, BLOCK rows at a time.
ROWS, BLOCK, CHANNELS = 1792, 128, 64


def space_to_depth(convolve, x, kernel, strides, padding, **options):
    """Convolve; in the first layer, fold each stride-sized square into one position's channels.

    A 7x7 kernel of stride 2 becomes a 4x4 kernel of stride 1 on 12 channels, padded with zeros.
    """
    if x.shape[3] != IMAGE_CHANNELS or max(strides) == 1:
        return convolve(x, kernel, strides, padding, **options)
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    around, behind = [], []
    for size, window, step, (low, high) in zip(
        x.shape[1:3], kernel.shape[:2], strides, padding, strict=True
    ):
        outputs = (size + low + high - window) // step + 1
        squares = -(-window // step)
        around.append((low, (outputs - 1 + squares) * step - size - low, 0))  # may be negative
        behind.append((0, squares * step - window))
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *around, (0, 0, 0)])
    kernel = jnp.pad(kernel, (*behind, (0, 0), (0, 0)))
    kernel = jnp.moveaxis(_squares(jnp.moveaxis(kernel, 3, 0), strides), 0, 3)
    return convolve(_squares(x, strides), kernel, (1, 1), "VALID", **options)


def _squares(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    """[n, h, w, c] -> [n, h / down, w / across, down · across · c]."""
    (down, across), (n, h, w, c) = size, x.shape
    x = x.reshape(n, h // down, down, w // across, across, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // down, w // across, -1)


def groups_apart(convolve, x, kernel, strides, padding, feature_group_count=1, **options):
    """Convolve with a separate convolution for each group of channels."""
    parts = (jnp.split(array, feature_group_count, axis=-1) for array in (x, kernel))
    made = [convolve(*part, strides, padding, **options) for part in zip(*parts, strict=True)]
    return jnp.concatenate(made, axis=-1)


def without_first_mean(statistics: Callable, x: jax.Array) -> tuple[jax.Array, ...]:
    """As `batch_norm.statistics`, but in one pass by E[x²] - E[x]²; accurate for small |mean|."""
    mean, square = (jnp.mean(a, tuple(range(1, x.ndim - 1)), keepdims=True) for a in (x, x * x))
    return x, mean, mean, jnp.maximum(square - jnp.square(mean), 0)


def by_pallas(statistics: Callable, x: jax.Array) -> tuple[jax.Array, ...]:
    """As `without_first_mean`, with both sums by a Pallas kernel, for maps in bfloat16.

    Raises ValueError if a group of images does not divide into ROWS and CHANNELS.
    """
    narrow = x.astype(jnp.bfloat16)  # the original type: XLA drops the double conversion
    rows, channels = narrow.size // len(x) // x.shape[-1], x.shape[-1]
    if rows % ROWS or channels % CHANNELS:
        raise ValueError(f"(rows, channels) = {rows, channels}: no multiples of {ROWS, CHANNELS}.")
    sums = jax.vmap(_sums)(narrow.reshape(len(x), rows, channels))  # [groups, 2, c]
    shape = (len(x), *[1] * (x.ndim - 2), channels)
    mean, square = (sums[:, i].reshape(shape) / rows for i in range(2))
    return x, mean, mean, jnp.maximum(square - jnp.square(mean), 0)


def _sums(x):
    """[rows, c] -> float32 [2, c]: the sums of values and of squares."""
    rows, channels = x.shape
    made = pallas.pallas_call(
        _sum,
        out_shape=jax.ShapeDtypeStruct((rows // ROWS, 2, channels), jnp.float32),
        grid=(channels // CHANNELS, rows // ROWS),
        in_specs=[pallas.BlockSpec((ROWS, CHANNELS), lambda i, j: (j, i))],
        out_specs=pallas.BlockSpec((1, 2, CHANNELS), lambda i, j: (j, 0, i)),
        compiler_params=triton.CompilerParams(),
        interpret=jax.default_backend() == "cpu",
    )(x)
    return jnp.sum(made, 0)


def _sum(x, sums):
    def add(i, so_far):
        values = x[pallas.ds(i * BLOCK, BLOCK), :].astype(jnp.float32)
        return so_far[0] + jnp.sum(values, 0), so_far[1] + jnp.sum(values * values, 0)

    zeros = jnp.zeros(CHANNELS, jnp.float32)
    sums[0, 0, :], sums[0, 1, :] = jax.lax.fori_loop(0, ROWS // BLOCK, add, (zeros, zeros))
