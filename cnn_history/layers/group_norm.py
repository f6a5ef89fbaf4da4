"""Group normalization (Wu & He 2018, arXiv:1803.08494): flax's, with the interface of `Norm`."""

from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers.norm import Norm


class GroupNorm(Norm):
    """Normalize groups of channels by the statistics of each image alone, then scale and shift.

    It does not depend on the batch, so it works with batches too small for batch normalization, and
    training and testing are the same (sec. 3.1).

    Reading: the paper has 32 groups and networks whose numbers of maps are multiples of 32. For
    others, the number of groups is the largest divisor up to 32: 16 for 16 maps, 24 for 48, 20 for
    80.

    Attributes:
      groups: the largest number of groups (the paper's G).
      epsilon: added to the variance (the paper's program, fig. 3).
      scale_init: initializer of the scale.
      dtype: of the output; statistics and parameters are float32 or wider.
    """

    groups: int = 32
    epsilon: float = 1e-5
    scale_init: Callable = nn.initializers.ones
    dtype: jnp.dtype = jnp.float32

    has_scale: ClassVar[bool] = True

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool = True) -> jax.Array:
        """[n, ..., c] -> the same shape."""
        del use_running_average  # there are no running statistics
        maps = x.shape[-1]
        norm = nn.GroupNorm(
            max(g for g in range(1, min(self.groups, maps) + 1) if maps % g == 0),
            epsilon=self.epsilon,
            scale_init=self.scale_init,
            dtype=self.dtype,
            param_dtype=jnp.promote_types(self.dtype, jnp.float32),
            use_fast_variance=False,  # E[x²] - E[x]² may become negative
        )
        nn.share_scope(self, norm)  # variables keep the paths of a bare nn.GroupNorm
        return norm(x)
