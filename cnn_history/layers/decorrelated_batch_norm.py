"""Decorrelated batch normalization: ZCA whitening (Huang et al. 2018, arXiv:1804.08450), and
whitening by Newton's iteration (IterNorm, Huang et al. 2019, arXiv:1904.03441)."""

import functools
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.choices import SHARE, kind_of
from cnn_history.layers.batch_norm import BatchNorm, moments
from cnn_history.layers.norm import Norm

Method, Place = Literal["zca", "iterative"], Literal["every", "first"]
EXACT = jax.lax.Precision.HIGHEST  # accelerators round factors, and whitening divides
_product = functools.partial(jnp.matmul, precision=EXACT)


class DecorrelatedBatchNorm(Norm):
    """Whiten groups of channels by the covariance of the batch, then scale and shift.

    x -> Sigma^(-1/2) (x - mean). Sigma is the covariance of a group's channels (divided by m), plus
    epsilon on its diagonal (Huang et al. 2018, sec. 3.1 and 3.3; algorithms 1 and 2). The paper
    uses it at every place of VGG (sec. 4.1) and at the first one of residual networks (sec. 4.2).

    Readings: if `group_size` does not divide the channels, the last group is smaller, as in the
    released programs; running statistics average whitening matrices, not covariances.

    Attributes:
      group_size: number of channels that are whitened together.
      epsilon: added to the diagonal of the covariance.
      momentum: share of the old running statistics that an update keeps; 0 keeps only those of the
        last batch.
      method: `zca`, by eigenvectors, or `iterative`, by Newton's iteration from the identity, which
        whitens directions with little variance less.
      iterations: number of Newton's iterations, the paper's T. Rounding errors grow with it; ten
        may diverge.
      scale_and_shift: whether each channel has a scale and a shift after the whitening.
      place: `every`, or `first`, which whitens at the network's first normalization and uses
        `BatchNorm` at all others. During initialization, a layer is the first if no statistics
        exist yet; later, its own statistics tell.
      scale_init: initializer of the scale.
      dtype: of the output; statistics and parameters are float32 or wider.
    """

    group_size: int = 16
    epsilon: float = 1e-5
    momentum: Annotated[float, SHARE] = 0.9
    method: Method = "zca"
    iterations: int = 5
    scale_and_shift: bool = True
    place: Place = "every"
    scale_init: Callable = nn.initializers.ones
    dtype: jnp.dtype = jnp.float32

    keeps_statistics: ClassVar[bool] = True

    @property
    def has_scale(self) -> bool:
        """Tell whether each channel has a trained scale."""
        return self.scale_and_shift

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """[n, ..., c] -> the same shape; updates or uses `batch_stats`.

        Statistics are `mean` [c], `whitening` [groups, g, g], and `whitening_last` [1, r, r] if the
        last group is smaller. Raises ValueError for an unknown method or place.
        """
        for name, kind in (("method", kind_of(Method)), ("place", kind_of(Place))):
            if not kind.fits(value := getattr(self, name)):
                raise ValueError(kind.refusal(value, name))
        if self.place == "first" and not self._is_first():
            norm = BatchNorm(
                self.momentum, self.epsilon, scale_init=self.scale_init, dtype=self.dtype
            )
            nn.share_scope(self, norm)  # variables keep the paths of a bare BatchNorm
            return norm(x, use_running_average=use_running_average)
        wide = jnp.promote_types(self.dtype, jnp.float32)
        shape, channels = x.shape, x.shape[-1]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels, wide)
        x = x.reshape(-1, channels).astype(wide)
        if use_running_average:
            x = x - running_mean.value
        else:
            (x,), mean, _ = moments(x[None])
            self._keep(running_mean, mean.ravel())
        whole = channels - channels % self.group_size
        parts = [
            self._whiten(part, size, name, use_running_average)
            for name, part, size in (
                ("whitening", x[:, :whole], self.group_size),
                ("whitening_last", x[:, whole:], channels - whole),
            )
            if part.shape[-1]
        ]
        y = jnp.concatenate(parts, -1)
        if self.scale_and_shift:
            y = y * self.param("scale", self.scale_init, channels, wide)
            y = y + self.param("bias", nn.initializers.zeros, channels, wide)
        return y.reshape(shape).astype(self.dtype)

    def _is_first(self) -> bool:
        if self.is_initializing():
            return "batch_stats" not in self.scope.root.variables()
        names = ("whitening", "whitening_last")
        return any(self.has_variable("batch_stats", name) for name in names)

    def _whiten(self, x: jax.Array, size: int, name: str, use_running_average: bool) -> jax.Array:
        """Whiten [m, c], of mean zero, in groups of `size` channels."""
        groups = x.reshape(len(x), -1, size)

        def identity():
            return jnp.tile(jnp.eye(size, dtype=x.dtype), (groups.shape[1], 1, 1))

        running = self.variable("batch_stats", name, identity)
        if use_running_average:
            matrix = running.value
        else:
            covariance = jnp.einsum("mgi,mgj->gij", groups, groups, precision=EXACT) / len(x)
            covariance += self.epsilon * jnp.eye(size, dtype=x.dtype)
            if self.method == "zca":
                matrix = inverse_square_root(covariance, self.epsilon)
            else:
                matrix = newton_inverse_square_root(covariance, self.iterations)
            self._keep(running, matrix)
        return jnp.einsum("gij,mgj->mgi", matrix, groups, precision=EXACT).reshape(x.shape)

    def _keep(self, running: nn.Variable, value: jax.Array) -> None:
        if not self.is_initializing():
            running.value = self.momentum * running.value + (1 - self.momentum) * value


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def inverse_square_root(matrix: jax.Array, smallest: float) -> jax.Array:
    """[..., g, g], symmetric -> its power -1/2, by eigenvectors.

    Eigenvalues that rounding made smaller than `smallest` are set to it. The derivative contains no
    1/(a - b), so it stays finite for close and for equal eigenvalues.
    """
    roots, vectors = _eigen(matrix, smallest)
    return _product(vectors / roots[..., None, :], vectors.mT)


@inverse_square_root.defjvp
def _derivative(smallest, primals, tangents):
    """Use the divided difference of f(a) = a^(-1/2) in the eigenbasis: (f(a) - f(b)) / (a - b) is
    -1 / (sqrt(a) sqrt(b) (sqrt(a) + sqrt(b))), which for a = b is f'(a)."""
    (matrix,), (tangent,) = primals, tangents
    roots, vectors = _eigen(matrix, smallest)
    a, b = roots[..., :, None], roots[..., None, :]
    change = _product(_product(vectors.mT, tangent), vectors) / (-a * b * (a + b))
    change = _product(_product(vectors, change), vectors.mT)
    return inverse_square_root(matrix, smallest), change


def _eigen(matrix, smallest):
    values, vectors = jnp.linalg.eigh(matrix)
    return jnp.sqrt(jnp.maximum(values, smallest)), vectors


def newton_inverse_square_root(matrix: jax.Array, iterations: int) -> jax.Array:
    """[..., g, g], positive definite -> about its power -1/2 (Huang et al. 2019, algorithm 1).

    Iterates P <- (3 P - P^3 S) / 2 from the identity; S is the matrix divided by its trace.
    """
    trace = jnp.trace(matrix, axis1=-2, axis2=-1)[..., None, None]
    scaled = matrix / trace
    power = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
    for _ in range(iterations):
        cube = _product(_product(power, power), power)
        power = (3 * power - _product(cube, scaled)) / 2
    return power * jax.lax.rsqrt(trace)
