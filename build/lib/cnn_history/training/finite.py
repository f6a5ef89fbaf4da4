"""Which quantity of a step is the first that is not finite."""

from typing import Any

import jax
import jax.numpy as jnp

FORWARD = ("input", "logits", "loss")


def first_bad(
    images: jax.Array, logits: Any, loss: jax.Array, grads: Any, updates: Any, model_state: Any
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return (place among `quantities`, -1 for none; the norms of gradient and update).

    The sum of a leaf's squares stands for the leaf, so that one which overflows is none either.
    Running statistics are looked at because they can overflow where nothing else does: an infinite
    variance makes a finite 0 of what is divided by it.
    """
    checked = [_finite(images), _finite(logits), jnp.isfinite(loss)[None]]
    norms = {}
    for name, tree in (("gradient_norm", grads), ("update_norm", updates)):
        squares = jnp.stack([jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)])
        norms[name] = jnp.sqrt(squares.sum())
        checked += [jnp.isfinite(squares), jnp.isfinite(norms[name])[None]]
    checked += [_finite(leaf) for leaf in jax.tree.leaves(model_state)]
    finite = jnp.concatenate(checked)
    return jnp.where(finite.all(), -1, jnp.argmin(finite)), norms


def quantities(params: Any, model_state: Any) -> list[str]:
    """Return the names of what is looked at, in the order in which a step makes it."""
    names = list(FORWARD)
    for kind in ("gradient", "update"):
        names += [f"{kind} of {name}" for name in _names(params)] + [f"norm of the {kind}"]
    return names + _names(model_state)


def _finite(tree: Any) -> jax.Array:
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(leaves).all(keepdims=True)


def _names(tree: Any) -> list[str]:
    paths = (path for path, _ in jax.tree_util.tree_leaves_with_path(tree))
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path in paths]
