"""The convolutional part of AlexNet and ZFNet, built from a table."""

import functools
from typing import NamedTuple

import jax

from cnn_history import initializers, layers
from cnn_history.models.network import Classifier, normalize

POOL, POOL_STRIDE = 3, 2  # Krizhevsky et al. 2012, sec. 3.4, "overlapping pooling"; Zeiler's fig. 3


class Convolution(NamedTuple):
    """A row of the tables: a convolution, the initial value of its biases, and the layers after it.

    In a network with groups of maps, a `split` convolution reads only the maps of its own group.
    """

    name: str
    maps: int
    kernel: int
    stride: int
    padding: int
    split: bool = False
    bias: float = 0.0
    then: tuple[str, ...] = ()


def trunk(
    network: Classifier, x: jax.Array, train: bool, groups: int = 1, ceil_mode: bool = False
) -> jax.Array:
    """[n, h, w, c] -> the last map, [n, h', w', c'], by `network.convolutions`.

    After each activation come the row's `pool` and `norm`, in its order. `groups` applies to split
    convolutions, `ceil_mode` to pooling.
    """
    pool = functools.partial(
        layers.MaxPool, (POOL, POOL), (POOL_STRIDE, POOL_STRIDE), ceil_mode=ceil_mode
    )
    for i, row in enumerate(network.convolutions, start=1):
        conv = network.conv(
            row.maps,
            (row.kernel, row.kernel),
            (row.stride, row.stride),
            row.padding,
            feature_group_count=groups if row.split else 1,
            bias_init=initializers.constant(row.bias),
            name=row.name,
        )
        x = network.activation(conv(x))
        for step in row.then:
            if step == "pool":
                x = pool(name=f"pool{i}")(x)
            else:
                x = normalize(network, x, train, f"norm{i}")
    return x
