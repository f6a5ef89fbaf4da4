"""How a step gets its gradient, and what it sees of the network on the way.

    (forward, objective, params, labels, key) -> value, gradient, forward's result, extra arguments

`forward(params) -> (logits, model_state)` and `objective(logits, labels) -> scalar` are those of
one batch; `key` is the step's. The extra arguments are a dict, for the optimizer's `update`.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.training import layer_factors


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


def with_factors(
    forward: Callable, objective: Callable, params: Any, labels: jax.Array, key: jax.Array
) -> tuple[jax.Array, Any, tuple, dict]:
    """The gradient, and `factors`: whose labels -> the factors of each covered layer, by name.

    Whose labels: "empirical", those of the batch, from the backward pass that there is anyway; or
    "sampled", drawn from the main classifier's softmax, so that the factors are those of the Fisher
    matrix (Martens & Grosse 2015, sec. 5): a second backward pass, without weight gradients, where
    `factors` is called. The objective has to be a mean over the images.
    """

    def watched(params, offsets):
        watch = layer_factors.Watch(offsets)
        with nn.intercept_methods(watch):
            logits, model_state = forward(params)
        modules.update(watch.modules)
        return logits, (model_state, watch.inputs, watch.outputs)

    modules = {}
    *_, outputs = jax.eval_shape(watched, params, {})[1]
    offsets = jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), outputs)
    logits, pull_back, (model_state, inputs, _) = jax.vjp(watched, params, offsets, has_aux=True)
    value, at_logits = jax.value_and_grad(objective)(logits, labels)
    grads, at_outputs = pull_back(at_logits)

    def factors(whose: str) -> dict[str, layer_factors.Factors]:
        gradients = at_outputs
        if whose == "sampled":
            main = logits[0] if isinstance(logits, tuple) else logits  # heads stand beside it
            drawn = jax.random.categorical(key, main)
            _, gradients = pull_back(jax.grad(objective)(logits, drawn))
        return {
            name: layer_factors.factors(module, inputs[name], gradients[name])
            for name, module in modules.items()
        }

    return value, grads, (logits, model_state), {"factors": factors}
