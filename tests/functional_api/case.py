"""A network with a loss, and how a result is compared with the plain call's."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import layers

HOLDS = "holds"


class Case(NamedTuple):
    """A network with its loss, a sum over examples that looks at every logit."""

    network: Any
    state: dict
    executed: bool

    def forward(self, params, images):
        return self.network.apply({"params": params, **self.state}, images, train=False)

    def loss(self, params, images, train=False):
        made, _ = self.network.apply(
            {"params": params, **self.state},
            images,
            train=train,
            rngs={"dropout": jax.random.key(1)},
            mutable=["batch_stats"],
        )
        return sum(jnp.sum(jax.nn.softplus(logits / 8)) for logits in jax.tree.leaves(made))

    def in_training(self, params, images):
        return self.loss(params, images, train=True)


def plainly(function: Callable) -> Callable:
    """The reference: layers as they are written, by jax's own operations."""

    def call(*arguments):
        with layers.as_written():
            return jax.jit(lambda *a: function(*a))(*arguments)

    return call


def error_of(found, expected) -> float:
    """Return the largest error of any leaf, in parts of its largest value."""

    def error(a, b):
        assert a.dtype == b.dtype, (a.dtype, b.dtype)
        a, b = np.asarray(a, float), np.asarray(b, float)
        return np.abs(a - b).max() / max(np.abs(b).max(), 1e-6)

    return max(jax.tree.leaves(jax.tree.map(error, found, expected)))
