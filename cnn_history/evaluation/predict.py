"""Run a function over a data set, each example once, on any number of devices."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def over_batches(
    function: Callable[..., Any],
    arrays: tuple[np.ndarray, ...],
    batch_size: int,
    put: Callable[[np.ndarray], jax.Array],
) -> Any:
    """Return `function(*arrays)` as numpy arrays [n, ...], computed in batches.

    The last batch is filled up with its first example, so that all have one shape and divide among
    the devices; what comes of the filling is cut off.

    Args:
      function: compiled; arrays [batch_size, ...] -> a tree of arrays [batch_size, ...].
      arrays: [n, ...] each.
      batch_size: a multiple of the number of devices.
      put: places a batch on the devices.
    """
    n = len(arrays[0])
    parts = []
    for start in range(0, n, batch_size):
        batch = [array[start : start + batch_size] for array in arrays]
        missing = batch_size - len(batch[0])
        filled = [np.concatenate([a, np.repeat(a[:1], missing, axis=0)]) for a in batch]
        result = function(*[put(array) for array in filled])
        parts.append(jax.tree.map(lambda a: np.asarray(a)[: batch_size - missing], result))  # noqa: B023
    return jax.tree.map(lambda *a: np.concatenate(a), *parts)
