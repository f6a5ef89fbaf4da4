"""The networks, one file per paper; `create` makes one by name.

A new network is a file with its `NETWORKS`, and a line below.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_history import models
    >>> lenet = models.create("lenet5")
    >>> variables = lenet.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
    >>> lenet.apply(variables, jnp.zeros((2, 32, 32, 1)), train=False).shape
    (2, 10)
"""

import dataclasses
import functools

import flax.linen as nn

from cnn_history.lookup import lookup, nearest
from cnn_history.models import (
    alexnet,
    bn_inception,
    googlenet,
    inception_v3,
    lenet5,
    nin,
    resnet,
    resnet_v2,
    vgg,
    zfnet,
)
from cnn_history.models.inside import features, filters, layers_of, scores_by_position
from cnn_history.models.network import Network
from cnn_history.models.stage import ALL, KEPT, keeping

NETWORKS: dict[str, Network] = {
    **lenet5.NETWORKS,
    **alexnet.NETWORKS,
    **zfnet.NETWORKS,
    **nin.NETWORKS,
    **vgg.NETWORKS,
    **googlenet.NETWORKS,
    **bn_inception.NETWORKS,
    **inception_v3.NETWORKS,
    **resnet.NETWORKS,
    **resnet_v2.NETWORKS,
}


def names() -> list[str]:
    """Return the names of all networks."""
    return sorted(NETWORKS)


def info(name: str) -> Network:
    """Return a network's entry; raise ValueError, with the nearest name, if there is none."""
    return lookup(NETWORKS, name, "network")


def options(name: str) -> list[str]:
    """Return the names of the options that `create` takes for this network."""
    build = info(name).build
    fixed = build.keywords if isinstance(build, functools.partial) else {}
    cls = build.func if isinstance(build, functools.partial) else build
    fields = (field.name for field in dataclasses.fields(cls))
    return [f for f in fields if f not in (*fixed, "name", "parent")]


def create(name: str, **chosen) -> nn.Module:
    """Return the network `name`, a Flax module: images [n, h, w, c] -> logits [n, num_classes].

    Options default to the paper's. Raises ValueError for an unknown name or option, with the
    nearest match.
    """
    for option in chosen:
        if option not in options(name):
            raise ValueError(f"{name} has no option '{option}'; {nearest(option, options(name))}")
    return info(name).build(**chosen)


__all__ = [
    "ALL",
    "KEPT",
    "NETWORKS",
    "Network",
    "create",
    "features",
    "filters",
    "info",
    "keeping",
    "layers_of",
    "names",
    "options",
    "scores_by_position",
]
