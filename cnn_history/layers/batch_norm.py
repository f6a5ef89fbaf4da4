"""Batch normalization (Ioffe & Szegedy 2015)."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class BatchNorm(nn.Module):
    """Normalize each channel by the statistics of the batch, then scale and shift.

    Source: Ioffe & Szegedy 2015, algorithm 1 (training) and 2 (inference: the running variance
    holds m/(m-1) times the batch variance, m being the number of values averaged).
    The variance is the mean of squared differences from the mean, in float32 or wider, so that it
    stays exact and positive where |mean| is far above the standard deviation; E[x²] - E[x]² does
    not. Under `jax.jit` the batch is the global one, however many devices it lies on.

    Attributes:
      momentum: share of the old running statistics that an update keeps.
      epsilon: added to the variance.
      dtype: of the output; statistics and parameters are float32 or wider.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """[..., c] -> [..., c]; updates `batch_stats` (mean, var: [c]) unless told to use them."""
        wide = jnp.promote_types(self.dtype, jnp.float32)
        channels = x.shape[-1:]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels, wide)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels, wide)
        scale = self.param("scale", nn.initializers.ones, channels, wide)
        bias = self.param("bias", nn.initializers.zeros, channels, wide)

        x = x.astype(wide)
        if use_running_average:
            mean, var = running_mean.value, running_var.value
        else:
            axes = tuple(range(x.ndim - 1))
            mean = jnp.mean(x, axes)
            var = jnp.mean(jnp.square(x - mean), axes)
            if not self.is_initializing():
                m = x.size // x.shape[-1]
                unbiased = var * (m / max(m - 1, 1))
                keep = self.momentum
                running_mean.value = keep * running_mean.value + (1 - keep) * mean
                running_var.value = keep * running_var.value + (1 - keep) * unbiased
        y = (x - mean) * (scale * jax.lax.rsqrt(var + self.epsilon)) + bias
        return y.astype(self.dtype)
