"""The squashing function along whole images.

XLA:CPU takes vectors of the last axis alone, for which channels are too few: whole images take half
the time, or a fourth. Barriers keep XLA from making one shape of both again.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from cnn_history.cpu.form import Form


def tanh(plain: Callable, x: jax.Array, amplitude: float, slope: float) -> jax.Array:
    """[n, h, w, c] -> the same; as `layers.activations.tanh`, which `plain` is."""
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
    linear = 0  # its derivative is given above

    def plain(self, x):
        return self.amplitude * jnp.tanh(self.slope * x)


class _Derivative(_Elementwise):
    """Along dx, by the value y, of which the derivative is slope/amplitude (amplitude² - y²)."""

    def plain(self, dx, y):
        factor = self.slope / self.amplitude
        return dx * (factor * (self.amplitude - y) * (self.amplitude + y))

    def transposed(self, i, dy, y):
        return self(dy, y)
