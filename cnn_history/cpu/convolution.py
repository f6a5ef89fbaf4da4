"""Forms of convolution that XLA:CPU runs fastest, found by measurement (docs/speed.md).

* Groups: one convolution per group.
* Few output maps: neighbouring outputs are computed as extra maps of one position ("packed").
* 3x3 windows on many channels: Winograd's algorithm.
* The gradient of the kernel transposes the images. A barrier keeps that strided loop from
  recomputing them. With few channels, the gradient is a sum over parts of the batch.
* Gradients have the axes of a plain convolution: XLA:CPU turns those of others itself, but not in
  the bodies of loops and branches, where it then writes loops of its own, 40 times as slow.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cnn_history.cpu import processors, winograd
from cnn_history.cpu.form import Form, varying_alike

LAYOUT = ("NHWC", "HWIO", "NHWC")
Pads = tuple[tuple[int, int], ...]
# The arrays of a convolution; also, which of them a function computes.
IMAGES, KERNEL, OUTPUTS = range(3)


def convolve(
    plain: Callable,
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, int],
    padding: Any,
    feature_group_count: int = 1,
    dimension_numbers: Any = LAYOUT,
    **options: Any,
) -> jax.Array:
    """[n, h, w, c], [k, k, c / groups, f] -> [n, h', w', f]; equals `plain`, `layers.convolve`.

    Dilated convolutions, convolutions with many groups or with an explicit precision stay plain.
    """
    groups = feature_group_count
    dilated = any(set(options.get(name) or [1]) != {1} for name in ("lhs_dilation", "rhs_dilation"))
    many = groups > processors.PROCESSOR.groups
    if dilated or options.get("precision") is not None or x.ndim != 4 or many:
        return plain(x, kernel, strides, padding, groups, dimension_numbers, **options)
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    x, kernel = varying_alike(x, kernel)
    form = _Convolution(
        plain, tuple(strides), tuple(map(tuple, padding)), groups, jax.typeof(x), jax.typeof(kernel)
    )
    return form(x, kernel)


@dataclasses.dataclass(frozen=True)
class _Convolution(Form):
    """Computes the outputs of a convolution, or the gradient of its images or of its kernel.

    sum(outputs * weights) is linear in images, kernel and weights. Each of the three functions is
    the derivative of that sum by one of these, `wanted`, and takes the other two. Its own
    derivatives are again functions of this kind.
    """

    own: Callable
    strides: tuple[int, int]
    padding: Pads
    groups: int
    images: Any
    kernel: Any
    wanted: int = OUTPUTS

    linear, layer = 2, "convolve"

    def transposed(self, i, *arrays):
        """Return the function that computes array i."""
        others = [j for j in range(3) if j != self.wanted]
        given = dict(zip(others, arrays, strict=True))
        given[self.wanted] = given.pop(others[i])
        form = dataclasses.replace(self, wanted=others[i])
        return form(*(given[j] for j in sorted(given)))

    def plain(self, *arrays):
        """Use jax's own convolution, or its transpose."""
        return self._by(self._own, *arrays)

    def cpu(self, *arrays):
        """Compute each group separately, in float32 or wider, as XLA:CPU does anyway.

        So the sums that a form adds are rounded once.
        """
        dtype = self.images.dtype
        wide = jnp.promote_types(dtype, jnp.float32)
        images, kernel = self.images.update(dtype=wide), self.kernel.update(dtype=wide)
        form = dataclasses.replace(self, images=images, kernel=kernel)
        arrays = (array.astype(wide) for array in arrays)
        return form._in_groups(_alone, *arrays).astype(dtype)

    def cut(self, partition, *arrays):
        """Compute the gradient of the kernel from whole images, each group separately.

        Otherwise XLA may multiply it by the size of a mesh axis along which nothing is sharded
        (findings/partitioned_kernel_gradient.sh).
        """
        if self.wanted != KERNEL:
            return self.plain(*arrays)
        return self._in_groups(_Convolution.plain, *map(partition.keep_whole, arrays))

    def _in_groups(self, function, *arrays):
        if self.groups == 1:
            return function(self, *arrays)
        images, kernel = (
            whole.update(shape=(*whole.shape[:-1], whole.shape[-1] // self.groups))
            for whole in (self.images, self.kernel)
        )
        form = dataclasses.replace(self, groups=1, images=images, kernel=kernel)
        parts = [
            function(form, *(_group(i, self.groups, array) for array in arrays))
            for i in range(self.groups)
        ]
        return jnp.concatenate(parts, axis=-1)

    def _own(self, x, kernel):
        return self.own(x, kernel, self.strides, self.padding, self.groups)

    def turned(self, x, kernel):
        """Convolve these arrays, of any shapes, with gradients whose axes are turned."""
        avals = jax.typeof(x), jax.typeof(kernel)
        return _Turned(self.own, self.strides, self.padding, 1, *avals)(x, kernel)

    def _by(self, convolve, first, second):
        """Return the wanted array by `convolve`, (images, kernel) -> outputs, or its transpose."""
        if self.wanted == IMAGES:
            return jax.linear_transpose(lambda x: convolve(x, first), self.images)(second)[0]
        if self.wanted == KERNEL:
            return jax.linear_transpose(lambda k: convolve(first, k), self.kernel)(second)[0]
        return convolve(first, second)


class _Turned(_Convolution):
    """The same for one group, whose every function is a convolution along the axes of LAYOUT."""

    def cpu(self, *arrays):
        """Turn the axes of the arrays instead of those of the convolution."""
        if self.wanted == OUTPUTS:
            return self._own(*arrays)
        befores = [before for before, _ in self.padding]
        if self.wanted == KERNEL:
            x, dy = arrays
            turned = x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3)
            sides = self.kernel.shape[:2]
            y = _convolve(*turned, sides, befores, rhs_dilation=self.strides)
            return y.transpose(1, 2, 0, 3)
        kernel, dy = arrays
        sides = self.images.shape[1:3]
        befores = [k - 1 - before for k, before in zip(kernel.shape, befores, strict=False)]
        turned = kernel[::-1, ::-1].swapaxes(2, 3)
        return _convolve(dy, turned, sides, befores, lhs_dilation=self.strides)


def _convolve(x, kernel, sides, befores, lhs_dilation=(1, 1), rhs_dilation=(1, 1)):
    """Return outputs [n, *sides, f], with as many zeros behind the images as that takes."""
    padding = []
    for i, (side, before) in enumerate(zip(sides, befores, strict=True)):
        images = _spread(x.shape[1 + i], lhs_dilation[i])
        window = _spread(kernel.shape[i], rhs_dilation[i])
        padding.append((before, side + window - 1 - images - before))
    dilation = {"lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation}
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=LAYOUT, **dilation
    )


def _spread(size, apart):
    return (size - 1) * apart + 1


def _alone(form, *arrays):
    return _ALONE[form.wanted](form, *arrays)


def _group(i, groups, array):
    size = array.shape[-1] // groups
    return jax.lax.slice_in_dim(array, i * size, (i + 1) * size, axis=-1)


def _outputs(form, x, kernel):
    if m := tile(x, kernel, form.strides):
        return winograd.convolve(x, kernel, form.padding, m, winograd.by_window)
    return _packed(form, x, kernel)


def _images(form, kernel, dy):
    """Return the gradient of the images; with stride 1 it is a convolution too."""
    if form.strides != (1, 1):
        return form._by(form.turned, kernel, dy)
    around = tuple(
        (size - 1 - before, size - 1 - behind)
        for size, (before, behind) in zip(kernel.shape[:2], form.padding, strict=True)
    )
    kernel = kernel[::-1, ::-1]
    turned = kernel.swapaxes(2, 3)
    if m := tile(dy, turned, form.strides):
        return winograd.convolve(dy, kernel, around, m, winograd.by_turned_matrix)
    return _packed(dataclasses.replace(form, padding=around), dy, turned)


def _kernel(form, x, dy):
    """Return the kernel's gradient: by tiles, packed, or in parts of the batch.

    Parts of greyscale images would be too small to be worth it.
    """
    x, dy = jax.lax.optimization_barrier((x, dy))

    def convolve(x, kernel):
        if tile(x, kernel, form.strides) == 4:
            return winograd.convolve(x, kernel, form.padding, 4, winograd.by_matrix)
        by = _packed if x.shape[3] == 1 else _in_parts
        return by(form, x, kernel)

    return form._by(convolve, x, dy)


_ALONE = {IMAGES: _images, KERNEL: _kernel, OUTPUTS: _outputs}


def tile(x: jax.Array, kernel: jax.Array, strides: tuple[int, int]) -> int:
    """Return the side of Winograd's tiles, in outputs, or 0 where they are not faster."""
    _, _, c, f = kernel.shape
    positions, known = x.size // c, processors.PROCESSOR
    many = c * f >= known.tiles_products * (c + f) and positions >= known.tiles_positions
    much = positions * c * f >= known.tiles_work
    if kernel.shape[:2] != (3, 3) or strides != (1, 1) or not (many and much):
        return 0
    return 4 if all(-side % 4 <= side * known.tiles_waste for side in x.shape[1:3]) else 2


def _in_parts(form, x, kernel):
    """Convolve the batch in parts; image i belongs to part i modulo their number."""
    images, channels = processors.PROCESSOR.part_images, processors.PROCESSOR.part_channels
    parts = len(x) // images
    if x.shape[3] > channels or len(x) % images or parts <= 1:
        return form.turned(x, kernel)
    dealt = x.reshape(images, parts, *x.shape[1:])
    made = [form.turned(dealt[:, i], kernel) for i in range(parts)]
    return jnp.stack(made, axis=1).reshape(len(x), *made[0].shape[1:])


def _packed(form, x, kernel):
    """Compute neighbouring outputs as extra maps of one position.

    One wider kernel holds theirs, each shifted by a stride, with zeros around it.
    """
    n, *size, _ = jax.eval_shape(form._own, x, kernel).shape
    rows, columns = packing(size, kernel.shape)
    if rows == columns == 1:
        return form.turned(x, kernel)
    (down, across), maps = form.strides, kernel.shape[3]
    moved = [
        jnp.pad(kernel, (_around(i, rows, down), _around(j, columns, across), (0, 0), (0, 0)))
        for i in range(rows)
        for j in range(columns)
    ]
    wide = dataclasses.replace(form, strides=(rows * down, columns * across))
    y = wide.turned(x, jnp.concatenate(moved, axis=-1))
    y = y.reshape(*y.shape[:3], rows, columns * maps).swapaxes(2, 3)
    return y.reshape(n, *size, maps)


def _around(i, count, step):
    """Return the numbers of zeros before and after the i-th of `count` kernels in the wider one."""
    return i * step, (count - 1 - i) * step


def packing(size: tuple[int, int], kernel: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return the rows and columns of outputs that are computed as one position.

    Args:
      size: (h', w') of the outputs.
      kernel: its shape, [k, k, c, f].
    """
    height, width = size
    *window, channels, maps = kernel
    known = processors.PROCESSOR
    if window[1] == 1:  # packing would double the work
        return 1, 1
    of_images = channels <= known.image_channels
    most = known.packed_maps_of_images if of_images else known.packed_maps
    fitting = (m for m in range(2, known.packed_columns + 1) if width % m == 0 and m * maps <= most)
    columns = max(fitting, default=1)
    large = min(window) >= known.two_rows_window and channels <= known.two_rows_channels
    few = 2 * columns * maps <= known.two_rows_maps
    return 2 if large and few and columns > 1 and height % 2 == 0 else 1, columns
