"""The state that training carries from step to step."""

from typing import Any

import flax.struct
import jax


@flax.struct.dataclass
class State:
    """A tree of arrays only, so that it can be donated, sharded and saved.

    Attributes:
      step: number of steps made, including skipped ones, int32 scalar.
      params: the parameters.
      model_state: the network's other collections, such as `batch_stats`.
      opt_state: the optimizer's state.
      key: the run's root key; steps use `fold_in(key, step)`.
      skipped: number of skipped steps, which were not finite, int32 scalar.
    """

    step: jax.Array
    params: Any
    model_state: Any
    opt_state: Any
    key: jax.Array
    skipped: jax.Array
