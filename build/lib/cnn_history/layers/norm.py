"""What a normalization says of itself, so that nobody has to guess it from its class or fields."""

import functools
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn


class Norm(nn.Module):
    """A layer that can stand wherever a network normalizes.

    A network takes a maker of them, `norm`: a subclass, or `functools.partial` of one with its
    options. It calls `norm(name=, dtype=)(x, use_running_average=)`, `[n, ..., c]` to the same.

    Attributes:
      keeps_statistics: whether it has running statistics, in `batch_stats`. Then it takes
        `momentum`, the share of the old statistics that an update keeps.
      has_scale: whether each channel has a trained scale. Then it takes `scale_init`; 0 in the last
        norm of a residual block lets the block start as the identity (Goyal et al. 2017, sec. 5.1).
    """

    keeps_statistics: ClassVar[bool] = False
    has_scale: ClassVar[bool] = False


def made_by(norm: Callable | None) -> Norm:
    """Return a layer of this maker that belongs to no network, to be asked what it is."""
    layer = norm and norm(parent=None)
    return layer if isinstance(layer, Norm) else Norm(parent=None)


def of_last_batch(norm: Callable | None) -> Callable:
    """Return the maker of the same norm, its running statistics being those of the last batch.

    Raises ValueError if it keeps none.
    """
    if not made_by(norm).keeps_statistics:
        raise ValueError("the network keeps no running statistics.")
    return functools.partial(norm, momentum=0.0)
