"""The squashing function, computed along whole images.

XLA:CPU vectorizes only the last axis, and channels are too few for that: flattened images take half
the time or a quarter. Barriers keep XLA from undoing the reshape.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from cnn_history.cpu.form import Form


def tanh(plain: Callable, x: jax.Array, amplitude: float, slope: float) -> jax.Array:
    """[n, h, w, c] -> the same shape; equals `plain`, `layers.activations.tanh`."""
    if jnp.ndim(x) != 4:
        return plain(x, amplitude, slope)
    return _tanh(x, amplitude, slope)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _tanh(x, amplitude, slope):
    return _Tanh(amplitude, slope)(x)


@_tanh.defjvp
def _differentiate(amplitude, slope, primals, tangents):
    y = _tanh(*primals, amplitude, slope)
    return y, _Derivative(amplitude, slope)(*tangents, y)


@dataclasses.dataclass(frozen=True)
class _Elementwise(Form):
    amplitude: float
    slope: float

    def cpu(self, *arrays):
        keep = jax.lax.optimization_barrier
        rows = [keep(array).reshape(len(array), -1) for array in arrays]
        return keep(keep(self.plain(*rows)).reshape(arrays[0].shape))


class _Tanh(_Elementwise):
    linear = 0  # its derivative is defined above

    def plain(self, x):
        return self.amplitude * jnp.tanh(self.slope * x)


class _Derivative(_Elementwise):
    """dx times the derivative, slope/amplitude (amplitude² - y²), from the value y."""

    def plain(self, dx, y):
        factor = self.slope / self.amplitude
        return dx * (factor * (self.amplitude - y) * (self.amplitude + y))

    def transposed(self, i, dy, y):
        return self(dy, y)
