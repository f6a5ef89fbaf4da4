"""Moments of images that lie on several devices, by one exchange between them.

XLA's partitioner reduces each mean that it meets, and the variance needs the mean: two reductions
over all devices, the second after the first.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from cnn_history.cpu.form import Form

# What all devices tell grows with their number, what they reduce does not. ResNet-50 has 26,560
# channels: 3 float32 of each are 82 MB of 256 devices, beside a gradient of 102 MB.
MOST_DEVICES = 256


def group_moments(plain: Callable, x: jax.Array) -> jax.Array:
    """Return the same as `plain`, `layers.batch_norm.group_moments`."""
    return _Moments(plain)(x)


@dataclasses.dataclass(frozen=True)
class _Moments(Form):
    """[groups, n, ..., c] -> [3, groups, 1, ..., c], as `function` does; not linear."""

    function: Callable

    linear, layer = 0, "group_moments"

    def plain(self, x):
        return self.function(x)

    def cpu(self, x):
        return self.function(x)

    def cut(self, partition, x):
        """Let each device find the moments of its own images, tell all, and merge what all told.

        Chan, Golub and LeVeque 1979: means are merged by their differences from one of them, and
        the variance is the mean of the parts' variances plus that of their means. No square of a
        large mean is formed, so that no digits are lost.
        """
        groups, size, *rest = x.shape
        parts = partition.devices
        known = isinstance(size, int)  # an exported program may take any batch
        if groups > 1 or not known or size % parts or not 1 < parts <= MOST_DEVICES:
            return self.function(x)  # groups may be within devices
        alone = self.function(x.reshape(parts, size // parts, *rest))
        first, more, var = partition.everywhere(alone)  # each [parts, 1, ..., c]
        origin = first[:1]
        off = first - origin + more
        mean = jnp.mean(off, 0, keepdims=True)
        var = jnp.mean(var + jnp.square(off - mean), 0, keepdims=True)
        return jnp.stack([origin, mean, var])
