"""Batch normalization (Ioffe & Szegedy 2015)."""

import functools
from collections.abc import Callable
from typing import Annotated, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.choices import COUNT, SHARE
from cnn_history.layers import forms
from cnn_history.layers.norm import Norm


class BatchNorm(Norm):
    """Normalize each channel by the statistics of the batch, then scale and shift.

    Source: Ioffe & Szegedy 2015, algorithm 1 (training) and 2 (inference). Each difference between
    the papers and their programs is an attribute. `training/statistics.py` has the true average of
    algorithm 2, which replaces the moving average.

    Statistics are float32 or wider. The variance is computed from differences from the mean, so
    that it stays accurate and positive even if |mean| is far larger than the deviation;
    E[x²] - E[x]² does not.

    Attributes:
      momentum: share of the old running statistics that an update keeps; 0 keeps only those of the
        last batch.
      epsilon: added to the variance.
      unbiased: whether the running variance is multiplied by m/(m-1), m being the number of values
        of a channel (algorithm 2; torch).
      group_size: number of consecutive examples that are normalized together; 0: the whole batch,
        over all devices under `jax.jit`. With the number of examples per device, each device uses
        its own statistics, as the papers' GPUs did. Running statistics are those of the batch.
      scale_init: initializer of the scale.
      dtype: of the output; statistics and parameters are float32 or wider.
    """

    momentum: Annotated[float, SHARE] = 0.9
    epsilon: float = 1e-5
    unbiased: bool = True
    group_size: Annotated[int, COUNT] = 0
    scale_init: Callable = nn.initializers.ones
    dtype: jnp.dtype = jnp.float32

    keeps_statistics: ClassVar[bool] = True
    has_scale: ClassVar[bool] = True

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """[n, ..., c] -> the same shape; updates or uses `batch_stats` (mean, var: [c]).

        Raises ValueError if n is not a multiple of `group_size`.
        """
        wide = jnp.promote_types(self.dtype, jnp.float32)
        channels = x.shape[-1:]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels, wide)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels, wide)
        scale = self.param("scale", self.scale_init, channels, wide)
        bias = self.param("bias", nn.initializers.zeros, channels, wide)

        shape, x = x.shape, x.astype(wide)
        if use_running_average:
            factor = scale * jax.lax.rsqrt(running_var.value + self.epsilon)
            y = (x - running_mean.value) * factor + bias
        else:
            y, mean, var = normalize(in_groups(x, self.group_size), scale, bias, self.epsilon)
            if not self.is_initializing():
                total = jnp.mean(mean, 0)
                spread = jnp.mean(var, 0) + jnp.mean(jnp.square(mean - total), 0)
                m = x.size // x.shape[-1]
                if self.unbiased:
                    spread *= m / max(m - 1, 1)
                keep = self.momentum
                running_mean.value = keep * running_mean.value + (1 - keep) * total.ravel()
                running_var.value = keep * running_var.value + (1 - keep) * spread.ravel()
        return y.reshape(shape).astype(self.dtype)


def in_groups(x: jax.Array, size: int) -> jax.Array:
    """[n, ..., c] -> [n / size, size, ..., c]; one group if `size` is 0.

    Raises ValueError if n is not a multiple of `size`.
    """
    size = size or x.shape[0]
    if x.shape[0] % size:
        raise ValueError(f"a batch of {x.shape[0]} does not divide into groups of {size} examples.")
    return x.reshape(-1, size, *x.shape[1:])


def moments(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """[groups, ..., c] -> x minus its mean; mean and variance of groups, [groups, 1, ..., c]."""
    off, rest, mean, var = statistics(x)
    return off - rest, mean, var


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def normalize(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """[groups, ..., c], [c], [c] -> x normalized, scaled and shifted; mean and variance of x.

    The derivative is written out, so that the backward pass sums over the images only twice, for
    the shift and for the scale, and reuses both sums for the images' gradient, as in sec. 3 of the
    paper. jax's own derivative needs three different sums (docs/speed.md).
    """
    off, rest, mean, var = statistics(x)
    factor = scale * jax.lax.rsqrt(var + epsilon)
    return _affine(off, rest, factor, bias), mean, var


@normalize.defjvp
def _differentiate(epsilon, primals, tangents):
    (x, scale, bias), (dx, dscale, dbias) = primals, tangents
    off, rest, mean, var = statistics(x)
    inverse = jax.lax.rsqrt(var + epsilon)
    factor = scale * inverse
    dmean = _mean(dx)
    covariance = _mean(off * dx) - rest * dmean
    slope = inverse * (dscale - factor * inverse * covariance)
    dy = factor * dx + _affine(off, rest, slope, dbias - factor * dmean)
    return (_affine(off, rest, factor, bias), mean, var), (dy, dmean, 2 * covariance)


def _affine(off, rest, factor, shift):
    """Return (off - rest) * factor + shift, in one pass over `off`."""
    return off * factor + (shift - rest * factor)


@forms.replaceable
def statistics(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """[groups, ..., c] -> x minus a first mean, the mean of the rest, mean and variance of x.

    The first mean has rounding errors in its last digits. The second mean, of small numbers,
    corrects them, and the variance is also that of small numbers.
    """
    first, rest, var = group_moments(x)
    # The result does not depend on the value subtracted, so no gradient flows through it.
    first = jax.lax.stop_gradient(first)
    return x - first, rest, first + rest, var


@forms.replaceable
def group_moments(x: jax.Array) -> jax.Array:
    """[groups, ..., c] -> [3, groups, 1, ..., c]: a first mean, the mean of the rest, the variance.

    Each group is on its own, and its moments do not depend on the order of its examples.
    """
    first = jax.lax.stop_gradient(_mean(x))
    off = x - first
    rest = _mean(off)
    var = _mean(jnp.square(off)) - jnp.square(rest)
    return jnp.stack([first, rest, jnp.maximum(var, 0)])


def _mean(x):
    return jnp.mean(x, tuple(range(1, x.ndim - 1)), keepdims=True)
