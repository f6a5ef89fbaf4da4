"""State in float32, whatever the parameters are kept in."""

from typing import Any

import jax
import jax.numpy as jnp
import optax


def float32_state(rule: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Let `rule` see parameters and gradients in float32, float64 ones as they are.

    Its state and its updates are float32 then, and `optax.apply_updates` adds them in float32
    before it rounds to the parameters' type: squares of bfloat16 gradients keep their digits, and
    averages move by less than the 2^-8 that bfloat16 can see.
    """
    rule = optax.with_extra_args_support(rule)

    def update(updates, state, params=None, **extra):
        return rule.update(_widen(updates), state, _widen(params), **extra)

    return optax.GradientTransformationExtraArgs(lambda params: rule.init(_widen(params)), update)


def _widen(tree: Any) -> Any:
    def widen(leaf):
        return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32))

    return jax.tree.map(widen, tree)
