"""The accounts of networks, and findings that compare them with a slide."""

import functools
import math

from cnn_history import accounting
from cnn_history.accounting import Account, Layer
from cnn_history.lecture.claim import Finding


@functools.cache
def account(model: str, **options) -> Account:
    """Return the account of a network, computed once."""
    return accounting.account(model, **options)


def layer(model: str, name: str) -> Layer:
    """Return a layer of a network by name."""
    return {layer.name: layer for layer in account(model).layers}[name]


def shape(size: tuple[int, ...]) -> str:
    """Return a shape in the slides' form, such as 55x55x96."""
    return "x".join(map(str, size))


def window(layer: Layer) -> str:
    """Return kernel size and stride in the papers' form, such as 7x7/2."""
    return f"{shape(layer.kernel)}/{layer.stride}"


def output(model: str, name: str, said: tuple[int, int, int]) -> Finding:
    """The shape of a layer's output."""
    found = layer(model, name).output
    return Finding(shape(found), found == said)


def product(factors: tuple[int, ...], macs: int) -> Finding:
    """The multiply-adds that a slide writes as a product."""
    return Finding(f"{macs:,}", math.prod(factors) == macs)
