"""How a step gets its gradient, and what it sees of the network on the way.

    (forward, objective, params, labels, key) -> value, gradient, forward's result, extra arguments

`forward(params) -> (logits, model_state)` and `objective(logits, labels) -> scalar` are those of
one batch; `key` is the step's. The extra arguments are a dict, for the optimizer's `update`.
"""

from collections.abc import Callable
from typing import Any

import jax


def plainly(
    forward: Callable, objective: Callable, params: Any, labels: jax.Array, key: jax.Array
) -> tuple[jax.Array, Any, tuple, dict]:
    """The gradient, and nothing else."""
    del key

    def loss(params):
        made = forward(params)
        return objective(made[0], labels), made

    (value, made), grads = jax.value_and_grad(loss, has_aux=True)(params)
    return value, grads, made, {}
