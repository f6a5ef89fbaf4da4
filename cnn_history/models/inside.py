"""What a network computes on the way to its logits."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import layers
from cnn_history.lookup import lookup


def scores_by_position(model: nn.Module, variables: dict, images: jax.Array) -> jax.Array:
    """Return the class scores of each position, [n, h', w', classes], float32 or wider.

    `model.apply(variables, images, train=False)` is their mean over positions. On images of a
    network's own size a classifier of fully-connected layers has one position; one behind global
    pooling, which as a linear map may as well stand before it, has those of its last map
    (Lin et al. 2013, sec. 3.2).
    """
    outputs = []

    def intercept(layer, args, kwargs, context):
        if isinstance(context.module, layers.GlobalAvgPool):
            return args[0]
        output = layer(*args, **kwargs)
        if len(context.module.path) == 1:
            outputs.append(output)
        return output

    with nn.intercept_methods(intercept):
        model.apply(variables, images, train=False)
    scores = outputs[-1]  # the classifier is every network's last layer
    return scores.astype(jnp.promote_types(scores.dtype, jnp.float32))


def features(model: nn.Module, variables: dict, images: jax.Array, endpoint: str) -> jax.Array:
    """Return what `endpoint` computes, as the next layer gets it: behind the activation.

    Endpoints are a network's layers and modules, such as `pool5`, `fc7` or `inception_4a`, and the
    stages of residual networks, such as `conv3_x`. Raises ValueError, with the nearest name, if
    there is no such.

    Args:
      model: a network.
      variables: its own.
      images: [n, h, w, c].
      endpoint: its name.
    """
    found, names = {}, []

    def intercept(layer, args, kwargs, context):
        if len(context.module.path) == 1:
            if names:
                found[names[-1]] = args[0]
            names.append(context.module.path[0])
        return layer(*args, **kwargs)

    with nn.intercept_methods(intercept):
        found["logits"], sown = model.apply(
            variables, images, train=False, mutable=["intermediates"]
        )
    found[names[-1]] = found.pop("logits")
    stages = {name: value[0] for name, value in sown.get("intermediates", {}).items()}
    return lookup({**found, **stages}, endpoint, "endpoint")
