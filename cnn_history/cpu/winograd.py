"""Winograd's algorithm for 3x3 convolutions, with up to four times fewer multiplications.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), F(m x m, 3 x 3) in
their notation. It transforms tiles of m + 2 by m + 2, spaced by m, computes a matrix product over
the channels at each place of the tiles, and transforms the products to m by m outputs. Rounding
errors are those of a plain convolution for m = 2, and about ten times as large for m = 4.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

# By m, the matrices B^T, G and A^T of the paper's section 4.
TRANSFORMS = {
    2: (
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
        ((1, 1, 1, 0), (0, 1, -1, -1)),
    ),
    4: (
        (
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
        (
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
        ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
    ),
}
WINDOW = 3


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    padding: Sequence[tuple[int, int]],
    m: int,
    product: Callable[[jax.Array, jax.Array], jax.Array],
) -> jax.Array:
    """[n, h, w, c], [3, 3, c, f] -> [n, h', w', f], with stride 1; linear in both arrays.

    Args:
      x: images.
      kernel: the convolution's; [3, 3, f, c] for `by_turned_matrix`.
      padding: zeros before and after rows, and before and after columns.
      m: outputs on a tile's side, 2 or 4.
      product: [n, h, w, c], [c, f] -> [n, h, w, f] for one place of the tiles; `by_window`,
        `by_matrix` or `by_turned_matrix`.
    """
    of_images, of_kernel, of_outputs = TRANSFORMS[m]
    size = m + WINDOW - 1
    n, *sides = x.shape[:3]
    made = [s + sum(p) - WINDOW + 1 for s, p in zip(sides, padding, strict=True)]
    tiles = [-(-side // m) for side in made]
    around = [
        (before, m * count + WINDOW - 1 - side - before)
        for side, count, (before, _) in zip(sides, tiles, padding, strict=True)
    ]
    # Without barriers, each place would recompute the images, each product its places, and each
    # reader the outputs.
    edges = [(before, behind, 0) for before, behind in ((0, 0), *around, (0, 0))]
    x = jax.lax.optimization_barrier(jax.lax.pad(x, jnp.zeros((), x.dtype), edges))

    def every(array, axis):
        """Return one array per place of the tiles along an axis."""
        count = tiles[axis - 1]
        return [
            jax.lax.slice_in_dim(array, place, place + m * (count - 1) + 1, m, axis)
            for place in range(size)
        ]

    rows = _combine(of_images, every(x, 1))
    places = jax.lax.optimization_barrier([_combine(of_images, every(row, 2)) for row in rows])
    kernels = [_combine(of_kernel, list(row)) for row in _combine(of_kernel, list(kernel))]
    products = [list(map(product, *pair)) for pair in zip(places, kernels, strict=True)]
    columns = [_combine(of_outputs, column) for column in zip(*products, strict=True)]
    outputs = [_combine(of_outputs, row) for row in zip(*columns, strict=True)]
    y = jnp.stack([jnp.stack(row, axis=3) for row in outputs], axis=2)
    y = y.reshape(n, m * tiles[0], m * tiles[1], -1)
    return jax.lax.optimization_barrier(y[:, : made[0], : made[1]])


def by_window(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply by a 1x1 convolution, which XLA:CPU gives to Eigen: fastest for images."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        images, kernel[None, None], (1, 1), "VALID", dimension_numbers=layout
    )


def by_matrix(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply by a matrix product, whose derivative by the kernel is a matrix product too."""
    y = images.reshape(-1, images.shape[3]) @ kernel
    return y.reshape(*images.shape[:3], -1)


def by_turned_matrix(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply by a kernel [f, c]: transposing it in memory would take as long as the product."""
    y = jax.lax.dot_general(images.reshape(-1, images.shape[3]), kernel, (((1,), (1,)), ((), ())))
    return y.reshape(*images.shape[:3], -1)


def _combine(matrix, arrays: list[jax.Array]) -> list[jax.Array]:
    """Return matrix @ arrays, one sum per row, without multiplications by 0 or 1."""
    return [
        functools.reduce(
            jnp.add,
            (
                array if factor == 1 else factor * array
                for factor, array in zip(row, arrays, strict=True)
                if factor
            ),
        )
        for row in matrix
    ]
