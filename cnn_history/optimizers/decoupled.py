"""Decoupled weight decay."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from cnn_history.optimizers.rule import applied_rate


def add_decoupled_decay(
    rule: optax.GradientTransformation,
    weight_decay: float,
    mask: Callable[[Any], Any] = lambda params: True,
) -> optax.GradientTransformationExtraArgs:
    r"""Let `rule` minimize f, and shrink the weights separately: $w_{t+1} = w_t + u_t -
    \epsilon_t \lambda w_t$.

    Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithms 1 and 2: SGDW with `momentum`, AdamW
    with `adam`. The decay enters neither the velocity nor Adam's squares. As in PyTorch and optax,
    λ is multiplied by the whole rate ε; in the paper, only by the schedule's factor.

    Args:
      rule: an optimizer whose state has its rate (`rule.applied_rate`).
      weight_decay: λ.
      mask: params -> a tree of bool, or one bool for a whole branch, true for decayed parameters.
    """
    rule = optax.with_extra_args_support(rule)

    def update(updates, state, params, **extra):
        updates, state = rule.update(updates, state, params, **extra)
        rate = applied_rate(state)

        def shrunk(kept, update, param):
            return update - (rate * weight_decay * param).astype(update.dtype) if kept else update

        kept = jax.tree.broadcast(mask(params), params)
        return jax.tree.map(shrunk, kept, updates, params), state

    return optax.GradientTransformationExtraArgs(rule.init, update)
