"""Running statistics as true averages over training batches, instead of moving averages.

Ioffe & Szegedy 2015, algorithm 2, steps 7 to 10; also in ResNet's release.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax


def recompute(of_batch: Callable[[Any], Any], batches: Iterable) -> Any:
    """Return the mean of the statistics of one or more batches.

    Args:
      of_batch: batch -> tree of statistics: `batch_stats` after a training forward pass with fixed
        parameters, for norms that keep only the last batch.
      batches: batches of training examples.
    """
    total, count = None, 0
    for batch in batches:
        one = of_batch(batch)
        total = one if total is None else jax.tree.map(lambda a, b: a + b, total, one)
        count += 1
    return jax.tree.map(lambda leaf: leaf / count, total)
