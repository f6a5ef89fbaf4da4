"""The normalizations as networks take them, `norm(name=, dtype=)(x, use_running_average=)` or None.

A network's `norm` stands at all its places; which places those are is the network's, as in its
paper.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Literal

from cnn_history import layers
from cnn_history.choices import SHARE

Norm = Callable | None


def decorrelated_batch_norm(
    group_size: int = 16,
    epsilon: float = 1e-5,
    momentum: Annotated[float, SHARE] = 0.9,
    method: Literal["zca", "iterative"] = "zca",
    iterations: int = 5,
    scale_and_shift: bool = True,
    place: Literal["every", "first"] = "every",
    **options,
) -> Norm:
    """`layers.DecorrelatedBatchNorm`, at every place, or at the first and batch norm elsewhere.

    Huang et al. 2018 have both: every place in VGG (sec. 4.1), the first in residual networks
    (sec. 4.2). Batch norm then has the same momentum and epsilon.
    """
    decorrelated = functools.partial(
        layers.DecorrelatedBatchNorm,
        group_size=group_size,
        epsilon=epsilon,
        method=method,
        iterations=iterations,
        scale_and_shift=scale_and_shift,
    )
    if place == "every":
        return decorrelated(momentum=momentum, **options)
    others = functools.partial(layers.BatchNorm, epsilon=epsilon)
    return layers.DecorrelatedFirst(decorrelated, others, momentum, **options)


NORMS = {
    "none": None,
    "batch_norm": layers.BatchNorm,
    "decorrelated_batch_norm": decorrelated_batch_norm,
    "group_norm": layers.GroupNorm,
    "local_response_norm": layers.LocalResponseNorm,
}
