"""Functions that compute the gradient of a step, and further data for the optimizer.

    (forward, objective, params, images, labels, key) ->
        value, gradient, forward's result, extra arguments

`forward(params, images, key) -> (logits, model_state)`; `objective(logits, labels) -> scalar` is a
mean over images; `key` is the step's. The extra arguments for the optimizer's `update` are a dict.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import losses, models
from cnn_history.training import layer_factors


def plainly(
    forward: Callable,
    objective: Callable,
    params: Any,
    images: jax.Array,
    labels: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, Any, tuple, dict]:
    """Compute the gradient, without extra arguments."""

    def loss(params):
        made = forward(params, images, key)
        return objective(made[0], labels), made

    (value, made), grads = jax.value_and_grad(loss, has_aux=True)(params)
    return value, grads, made, {}


def in_parts(parts: int, unroll: bool = False) -> Callable:
    """Return `plainly` in parts of the batch, one after another, to save memory for activations.

    Part i has the examples i, i + parts, i + 2 parts ..., so that parts are the same on any number
    of devices, and each device has its share of every part. Value and gradient are means over the
    parts. They equal those of the batch, unless examples depend on each other, as in batch norm:
    each part is normalized by its own statistics, and the new running statistics are the mean of
    those after each part alone. Each part has its own key for dropout.

    Args:
      parts: number of parts.
      unroll: whether to unroll the loop over them.
    """

    def differentiate(forward, objective, params, images, labels, key):
        def cut(array):  # [n, ...] -> [parts, n / parts, ...], each device's rows stay on it
            return jnp.moveaxis(array.reshape(-1, parts, *array.shape[1:]), 1, 0)

        def add(total, part):
            number, images, labels = part
            key_of_part = jax.random.fold_in(key, number)
            value, grads, (logits, model_state), _ = plainly(
                forward, objective, params, images, labels, key_of_part
            )
            total = jax.tree.map(lambda a, b: a + b / parts, total, (value, grads, model_state))
            return total, logits

        each = jnp.arange(parts), cut(images), cut(labels)
        first = jax.tree.map(lambda array: array[0], each)
        value, grads, (_, model_state), _ = jax.eval_shape(
            lambda part: plainly(forward, objective, params, *part[1:], key), first
        )
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (value, grads, model_state))
        (value, grads, model_state), logits = jax.lax.scan(add, zeros, each, unroll=unroll)
        whole = jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(-1, *x.shape[2:]), logits)
        return value, grads, (whole, model_state), {}

    return differentiate


def keeping(what: str, differentiate: Callable) -> Callable:
    """Return the function for networks that keep `what`, one of `models.KEPT`."""

    def differentiate_it(*arguments):
        with models.keeping(what):
            return differentiate(*arguments)

    return differentiate if what == models.ALL else differentiate_it


def with_factors(
    forward: Callable,
    objective: Callable,
    params: Any,
    images: jax.Array,
    labels: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, Any, tuple, dict]:
    """Compute the gradient, and `factors`: labels -> {layer: factors} of the covered layers.

    Labels are "empirical", those of the batch, which needs no extra backward pass; or "sampled"
    from the main classifier's softmax, which gives the factors of the Fisher matrix (Martens &
    Grosse 2015, sec. 5) by a second backward pass without weight gradients, when `factors` is
    called.
    """

    def watched(params, offsets):
        watch = layer_factors.Watch(offsets)
        with nn.intercept_methods(watch):
            logits, model_state = forward(params, images, key)
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
            drawn = jax.random.categorical(key, losses.of_main(logits))
            _, gradients = pull_back(jax.grad(objective)(logits, drawn))
        return {
            name: layer_factors.factors(module, inputs[name], gradients[name])
            for name, module in modules.items()
        }

    return value, grads, (logits, model_state), {"factors": factors}
