"""Weight initializers, in the readings of the papers.

Each returns a jax initializer `(key, shape, dtype) -> array`. Kernels are `[..., in, out]`: dense
`[in, out]`, convolution `[h, w, in, out]`; fan_in = h·w·in and fan_out = h·w·out. A grouped
convolution's `in` is the number of inputs of a group. Its `out` is the number of all maps, although
an input reaches only those of its group, so fan_out is too large by the number of groups.

The networks' files initialize biases, whatever the kernels' initializer: at 0, except for AlexNet
(`models/alexnet.py`, sec. 5) and GoogLeNet.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_history import initializers
    >>> kernel = initializers.he()(jax.random.key(0), (3, 3, 64, 128), jnp.float32)
    >>> round(float(kernel.std() * (3 * 3 * 64 / 2) ** 0.5), 2)  # He et al. 2015, eq. 10
    1.0
"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from cnn_history.choices import FINITE, NotNegative, checked

Initializer = Callable[..., jax.Array]


def constant(value: Annotated[float, FINITE] = 0.0) -> Initializer:
    """Every weight equals `value`, so units of a layer stay equal forever (lecture, "W = 0")."""
    return jax.nn.initializers.constant(value)


def gaussian(std: NotNegative = 0.01) -> Initializer:
    """N(0, std²), untruncated. AlexNet: std 0.01 (Krizhevsky et al. 2012, sec. 5).

    VGG's "10^-2 variance" (sec. 3.1) is std 0.1 to the letter, and 0.01 as it is often read.
    """
    return jax.nn.initializers.normal(std)


def lecun_1998() -> Initializer:
    """U(-2.4/fan_in, 2.4/fan_in) (LeCun et al. 1998, appendix A)."""

    def init(key, shape, dtype=jnp.float32):
        limit = 2.4 / math.prod(shape[:-1])
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init


@checked
def xavier(
    mode: Literal["fan_in", "fan_avg"] = "fan_in",
    distribution: Literal["normal", "uniform"] = "normal",
) -> Initializer:
    """Variance 1/fan_in (`fan_in`, the lecture's) or 2/(fan_in + fan_out) (`fan_avg`, the paper's).

    Source: Glorot & Bengio 2010, eq. 12 and 16. `distribution` is `normal` or `uniform`.
    Raises ValueError for another mode or distribution.
    """
    return jax.nn.initializers.variance_scaling(1.0, mode, distribution)


@checked
def he(mode: Literal["fan_in", "fan_out"] = "fan_in") -> Initializer:
    """N(0, 2/fan), untruncated, fan being `fan_in` (eq. 10) or `fan_out` (eq. 14).

    Source: He et al. 2015, "Delving deep into rectifiers". Raises ValueError for another mode.
    """
    return jax.nn.initializers.variance_scaling(2.0, mode, "normal")


INITIALIZERS = {
    "constant": constant,
    "gaussian": gaussian,
    "lecun_1998": lecun_1998,
    "xavier": xavier,
    "he": he,
}
