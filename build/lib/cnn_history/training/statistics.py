"""Running statistics as the true average over training batches, in place of a moving one.

Ioffe & Szegedy 2015, algorithm 2, steps 7 to 10; the authors of ResNet released theirs so.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax


def recompute(of_batch: Callable[[Any], Any], batches: Iterable) -> Any:
    """Return the mean, over at least one batch, of the statistics that `of_batch` gives of each.

    Args:
      of_batch: batch -> statistics, a tree: what `batch_stats` is after a forward pass of the
        network with fixed parameters, in training, whose norms keep the last batch alone.
      batches: of training examples.
    """
    total, count = None, 0
    for batch in batches:
        one = of_batch(batch)
        total = one if total is None else jax.tree.map(lambda a, b: a + b, total, one)
        count += 1
    return jax.tree.map(lambda leaf: leaf / count, total)
