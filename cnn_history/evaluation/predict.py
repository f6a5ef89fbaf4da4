"""Run a function over a data set, each example once, on any number of devices."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np


def over_batches(
    function: Callable[[Any], Any], batches: Iterable[Any], count: int, put: Callable[[Any], Any]
) -> Any:
    """Return the results of `function` for `count` examples, as NumPy arrays [count, ...].

    Args:
      function: compiled; a batch [batch_size, ...] -> a tree of arrays [batch_size, ...].
      batches: of the examples in order; the last one is padded, so that all have one shape and
        divide among the devices. Results for the padding are dropped.
      count: number of examples.
      put: places a batch on the devices.
    """
    parts = [jax.tree.map(np.asarray, function(put(batch))) for batch in batches]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *parts)
