"""A network's modules, filters, features and dense scores."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from cnn_history import layers
from cnn_history.lookup import lookup
from cnn_history.models.network import Classifier, wide

MEAN = Classifier.mean_over_positions.__name__


def layers_of(network: nn.Module, images: jax.ShapeDtypeStruct) -> dict[str, nn.Module]:
    """Return all modules of a network by path, `conv2_1/conv1`, by tracing its initialization.

    Nothing is computed. A module's type tells whether it is a convolution, a norm and so on.
    """
    found = {}

    def intercept(call, args, kwargs, context):
        found["/".join(context.module.path)] = context.module
        return call(*args, **kwargs)

    def init(images):
        return network.init(jax.random.key(0), images, train=False)

    with nn.intercept_methods(intercept):
        jax.eval_shape(init, images)
    return found


def filters(network: nn.Module, images: jax.ShapeDtypeStruct) -> dict[str, Sequence[int]]:
    """Return, by the path of each convolution, the filter of each column of its kernel
    [..., columns].

    Fully-connected layers have no filters, even those that are stored like convolutions.
    """
    found = {}
    for path, layer in layers_of(network, images).items():
        if isinstance(layer, nn.Conv):
            found[path] = range(layer.features)
        elif isinstance(layer, layers.PartialConv):
            found[path] = layer.columns
    return found


def scores_by_position(model: nn.Module, variables: dict, images: jax.Array) -> jax.Array:
    """Return the class scores of each position, [n, h', w', classes], float32 or wider.

    `model.apply(variables, images, train=False)` is their mean over positions. At the network's own
    image size, a classifier of fully-connected layers has one position. A linear classifier after
    global pooling could equally come before it, so it has the positions of the last map (Lin et al.
    2013, sec. 3.2).

    Raises ValueError unless the model calls `Classifier.mean_over_positions` exactly once.
    """
    left_out = []

    def intercept(call, args, kwargs, context):
        place = isinstance(context.module, Classifier) and context.method_name == MEAN
        if not place:
            return call(*args, **kwargs)
        left_out.append(context.module)
        return args[0]

    with nn.intercept_methods(intercept):
        scores = model.apply(variables, images, train=False)
    if len(left_out) != 1:
        raise ValueError(f"{type(model).__name__} takes no mean over positions, or several.")
    return wide(scores)


def features(model: nn.Module, variables: dict, images: jax.Array, endpoint: str) -> jax.Array:
    """Return the output of `endpoint` as the next layer receives it, after the activation.

    Endpoints are a network's layers and modules, such as `pool5`, `fc7` or `inception_4a`, and the
    stages of residual networks, such as `conv3_x`. Raises ValueError, with the nearest name, for
    an unknown endpoint.

    Args:
      model: a network.
      variables: the network's variables.
      images: [n, h, w, c].
      endpoint: the name of a layer, module or stage.
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
