"""Stages of networks: what is kept of one for the backward pass.

jax keeps each activation that a derivative needs until the backward pass comes to it. Less can be
kept, and the rest computed a second time before the stage's derivative (Chen, Xu, Zhang & Guestrin
2016, "Training deep nets with sublinear memory cost", arXiv:1604.06174, sec. 3 and 4). The moments
that norms find are always kept: they are small, and devices exchange messages to find them.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax

from cnn_history.layers import forms

ALL, CONVOLUTIONS, STAGES = KEPT = ("all", "convolutions", "stages")
# Layers that have several forms, by name, and primitives.
LAYERS_KEPT = {
    CONVOLUTIONS: (("group_moments", "convolve"), (jax.lax.conv_general_dilated_p,)),
    STAGES: (("group_moments",), ()),
}

_kept = contextvars.ContextVar("kept", default=ALL)


@contextlib.contextmanager
def keeping(what: str) -> Iterator[None]:
    """Trace networks of which this is kept for the backward pass; numbers are the same.

    `all`: whatever a derivative needs. `convolutions`: the outputs of convolutions, and moments;
    norms, activations and sums are computed once more. `stages`: the input of each stage, and
    moments; all of the stage is computed once more.
    """
    token = _kept.set(what)
    try:
        yield
    finally:
        _kept.reset(token)


def stage(part: nn.Module, run: Callable[[nn.Module, jax.Array], jax.Array], x: jax.Array):
    """Return run(part, x), as one stage of a network.

    Args:
      part: the network, or a module of it, whose variables the stage uses.
      run: applies the stage's layers.
      x: its input.
    """
    kept = _kept.get()
    if kept == ALL:
        return run(part, x)
    layers, primitives = LAYERS_KEPT[kept]

    def policy(primitive: Any, *_: Any, **parameters: Any) -> bool:
        return primitive in primitives or forms.layer_of(primitive, parameters) in layers

    return nn.remat(run, policy=policy)(part, x)
