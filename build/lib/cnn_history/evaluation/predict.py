"""Run a function over a data set, each example once, on any number of devices."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np


def over_batches(
    function: Callable[[Any], Any], batches: Iterable[Any], count: int, put: Callable[[Any], Any]
) -> Any:
    """Return what `function` makes of `count` examples, as numpy arrays [count, ...].

    Args:
      function: compiled; a batch [batch_size, ...] -> a tree of arrays [batch_size, ...].
      batches: of the examples in their order, the last filled up, so that all have one shape and
        divide among the devices; what comes of the filling is cut off.
      count: number of examples.
      put: places a batch on the devices.
    """
    parts = [jax.tree.map(np.asarray, function(put(batch))) for batch in batches]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *parts)
