"""The interface of normalizations, which declare their properties."""

import functools
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn


class Norm(nn.Module):
    """A layer that can be used wherever a network normalizes.

    A network's `norm` is a factory of such layers: a subclass, or `functools.partial` of one with
    options. The network calls `norm(name=, dtype=)(x, use_running_average=)`, which maps
    `[n, ..., c]` to the same shape.

    Attributes:
      keeps_statistics: whether the layer keeps running statistics in `batch_stats`. If so, it takes
        `momentum`, the share of the old statistics that an update keeps.
      has_scale: whether each channel has a trained scale. If so, it takes `scale_init`: with 0, the
        last norm of a residual block makes the block start as the identity (Goyal et al. 2017,
        sec. 5.1).
    """

    keeps_statistics: ClassVar[bool] = False
    has_scale: ClassVar[bool] = False


def made_by(norm: Callable | None) -> Norm:
    """Return a layer from this factory outside of any network, to read its properties."""
    layer = norm and norm(parent=None)
    return layer if isinstance(layer, Norm) else Norm(parent=None)


def of_last_batch(norm: Callable | None) -> Callable:
    """Return the factory of the same norm with the last batch's statistics as running statistics.

    Raises ValueError if it keeps no statistics.
    """
    if not made_by(norm).keeps_statistics:
        raise ValueError("the network keeps no running statistics.")
    return functools.partial(norm, momentum=0.0)
