"""The normalizations as networks take them, `norm(name=, dtype=)(x, use_running_average=)` or None.

A network's `norm` stands at all its places; which places those are is the network's, as in its
paper.
"""

import dataclasses
import functools
from collections.abc import Callable

from cnn_history import layers
from cnn_history.layers.decorrelated_batch_norm import METHODS

Norm = Callable | None
PLACES = ("every", "first")


def none() -> None:
    """No normalization."""
    return None


def batch_norm(momentum: float, epsilon: float, unbiased: bool, group_size: int) -> Norm:
    """`layers.BatchNorm`; a `group_size` of 0 is the whole batch.

    Raises ValueError for options out of their range.
    """
    _check(momentum, epsilon)
    if group_size < 0:
        raise ValueError(f"group_size is a number of examples, or 0 for all, not {group_size}.")
    return functools.partial(
        layers.BatchNorm,
        momentum=momentum,
        epsilon=epsilon,
        unbiased=unbiased,
        group_size=group_size or None,
    )


def decorrelated_batch_norm(
    group_size: int,
    epsilon: float,
    momentum: float,
    method: str,
    iterations: int,
    scale_and_shift: bool,
    place: str,
) -> Norm:
    """`layers.DecorrelatedBatchNorm`, at every place, or at the first and batch norm elsewhere.

    Huang et al. 2018 have both: every place in VGG (sec. 4.1), the first in residual networks
    (sec. 4.2). Batch norm then has the same momentum and epsilon.
    Raises ValueError for options out of their range.
    """
    _check(momentum, epsilon)
    if group_size < 1 or iterations < 1:
        raise ValueError("group_size and iterations are positive.")
    for name, value, allowed in (("method", method, METHODS), ("place", place, PLACES)):
        if value not in allowed:
            raise ValueError(f"{name} is {' or '.join(allowed)}, not '{value}'.")
    decorrelated = functools.partial(
        layers.DecorrelatedBatchNorm,
        group_size=group_size,
        epsilon=epsilon,
        method=method,
        iterations=iterations,
        scale_and_shift=scale_and_shift,
    )
    if place == "every":
        return functools.partial(decorrelated, momentum=momentum)
    others = functools.partial(layers.BatchNorm, epsilon=epsilon)
    return functools.partial(
        layers.DecorrelatedFirst, first=decorrelated, others=others, momentum=momentum
    )


def local_response_norm(k: float, n: int, alpha: float, beta: float) -> Norm:
    """`layers.LocalResponseNorm`; raise ValueError for a k that would divide by 0."""
    if not k > 0:
        raise ValueError(f"k is positive, not {k}.")
    return functools.partial(layers.LocalResponseNorm, k=k, n=n, alpha=alpha, beta=beta)


def of_last_batch(norm: Norm) -> Norm:
    """Return the same, its running statistics being those of the last batch alone.

    Raises ValueError if it keeps none.
    """
    layer = norm.func if isinstance(norm, functools.partial) else norm
    if norm is None or "momentum" not in (field.name for field in dataclasses.fields(layer)):
        raise ValueError("the network keeps no running statistics.")
    return functools.partial(norm, momentum=0.0)


def _check(momentum: float, epsilon: float) -> None:
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is in [0, 1), not {momentum}.")
    if not epsilon > 0:
        raise ValueError(f"epsilon is positive, not {epsilon}.")
