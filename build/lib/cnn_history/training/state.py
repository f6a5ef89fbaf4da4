"""Everything that training carries from step to step."""

from typing import Any

import flax.struct
import jax


@flax.struct.dataclass
class State:
    """Arrays only, so that it can be donated, sharded and saved as it is.

    Attributes:
      step: number of steps made, skipped ones among them, int32 scalar.
      params: the parameters.
      model_state: the network's other collections, such as `batch_stats`.
      opt_state: the optimizer's.
      key: the run's root key; what a step draws is keyed by `fold_in(key, step)`.
      skipped: number of steps that were not finite and left nothing behind, int32 scalar.
    """

    step: jax.Array
    params: Any
    model_state: Any
    opt_state: Any
    key: jax.Array
    skipped: jax.Array
