"""What a network computes on the way to its logits."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import layers


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
