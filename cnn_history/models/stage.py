"""Stages of networks, and the activations that they keep for the backward pass.

By default, jax keeps every activation that a derivative needs until the backward pass uses it. To
save memory, a stage can keep fewer and recompute the others before its derivative (Chen, Xu, Zhang
& Guestrin 2016, "Training deep nets with sublinear memory cost", arXiv:1604.06174, sec. 3 and 4).
Moments of norms are always kept: they are small, and recomputing them would need communication
between devices.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax

from cnn_history.layers import forms

ALL, CONVOLUTIONS, STAGES = KEPT = ("all", "convolutions", "stages")
# Names of layers with several forms, and primitives.
LAYERS_KEPT = {
    CONVOLUTIONS: (("group_moments", "convolve"), (jax.lax.conv_general_dilated_p,)),
    STAGES: (("group_moments",), ()),
}

_kept = contextvars.ContextVar("kept", default=ALL)


@contextlib.contextmanager
def keeping(what: str) -> Iterator[None]:
    """Within this context, traced networks keep `kept` for the backward pass; numbers do not
    change.

    `all`: everything that a derivative needs. `convolutions`: the outputs of convolutions, and
    moments; norms, activations and sums are recomputed. `stages`: the input of each stage, and
    moments; everything else in the stage is recomputed.
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
