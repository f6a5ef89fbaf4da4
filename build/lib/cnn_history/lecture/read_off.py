"""The accounts of networks, and claims that are read off them."""

import functools
import math

from cnn_history import accounting
from cnn_history.accounting import Account, Layer
from cnn_history.lecture.claim import Finding


@functools.cache
def account(model: str, **options) -> Account:
    """Return the account of a network."""
    return accounting.account(model, **options)


def layer(model: str, name: str) -> Layer:
    """Return one layer of a network."""
    return {layer.name: layer for layer in account(model).layers}[name]


def shape(size: tuple[int, ...]) -> str:
    """Return a shape as slides write it: 55x55x96."""
    return "x".join(map(str, size))


def window(layer: Layer) -> str:
    """Return kernel and stride as papers write them: 7x7/2."""
    return f"{shape(layer.kernel)}/{layer.stride}"


def output(model: str, name: str, said: tuple[int, int, int]) -> Finding:
    """The shape of a layer's result."""
    found = layer(model, name).output
    return Finding(shape(found), found == said)


def product(factors: tuple[int, ...], macs: int) -> Finding:
    """A count of multiply-adds that a slide writes as a product."""
    return Finding(f"{macs:,}", math.prod(factors) == macs)
