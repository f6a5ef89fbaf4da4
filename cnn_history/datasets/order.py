"""Order of examples: the position in the data depends on the step alone."""

import functools
import threading

import jax
import numpy as np


class Order:
    """The order of examples over all epochs, given by a key.

    Position i = step * batch + j lies in epoch i // n, whose order is
    `permutation(fold_in(key, epoch))`. Each example comes once per epoch. A step sees the same
    examples however often the run was interrupted, on any number of devices or processes.
    """

    def __init__(self, key: jax.Array, examples: int):
        self.key, self.examples = key, examples
        self._permutation = functools.lru_cache(maxsize=2)(self._permutation)
        self._lock = threading.Lock()  # lets one of many threads compute it for all

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.asarray(_permute(jax.random.fold_in(self.key, epoch), self.examples))

    def __call__(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (examples, epochs) for positions start..stop-1, int32 [stop - start] each."""
        epochs, offsets = np.divmod(np.arange(start, stop), self.examples)
        examples = np.empty(stop - start, np.int32)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            with self._lock:
                permutation = self._permutation(int(epoch))
            examples[here] = permutation[offsets[here]]
        return examples, epochs.astype(np.int32)


_permute = jax.jit(jax.random.permutation, static_argnums=1)
