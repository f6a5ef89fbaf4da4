"""Decorrelated batch normalization in the place of the first one (Huang et al. 2018, sec. 4.2)."""

from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers.batch_norm import BatchNorm
from cnn_history.layers.decorrelated_batch_norm import DecorrelatedBatchNorm
from cnn_history.layers.norm import Norm


class DecorrelatedFirst(Norm):
    """A network's first normalization decorrelates, all others are batch normalization.

    It stands at every place of a network, and finds out whether its own is the first: when
    variables are made, nothing before it has made statistics; later its own tell.

    Attributes:
      first: `DecorrelatedBatchNorm` with its options.
      others: `BatchNorm` with its options.
      momentum: of both.
      scale_init: of both.
      dtype: of both.
    """

    first: Callable = DecorrelatedBatchNorm
    others: Callable = BatchNorm
    momentum: float = 0.9
    scale_init: Callable = nn.initializers.ones
    dtype: jnp.dtype = jnp.float32

    keeps_statistics: ClassVar[bool] = True
    has_scale: ClassVar[bool] = True

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """[n, ..., c] -> the same; updates `batch_stats` unless told to use them."""
        kind = self.first if self._is_first() else self.others
        norm = kind(momentum=self.momentum, scale_init=self.scale_init, dtype=self.dtype)
        nn.share_scope(self, norm)  # variables are where they would be without this module
        return norm(x, use_running_average=use_running_average)

    def _is_first(self) -> bool:
        if self.is_initializing():
            return "batch_stats" not in self.scope.root.variables()
        names = ("whitening", "whitening_last")
        return any(self.has_variable("batch_stats", name) for name in names)
