"""Dropout (Srivastava et al. 2014; Krizhevsky et al. 2012, sec. 4.2)."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Dropout(nn.Dropout):
    """`flax.linen.Dropout` that also works on Explicit mesh axes: its mask is sharded like x."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, ...] -> the same shape."""
        if self.deterministic or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = jax.random.bernoulli(self.make_rng(self.rng_collection), keep, x.shape)
        mask &= jnp.ones_like(x, bool)
        return jnp.where(mask, x / keep if keep else x, 0)
