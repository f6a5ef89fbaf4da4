"""The first quantity of a step that is not finite."""

from typing import Any

import jax
import jax.numpy as jnp

FORWARD = ("input", "logits", "loss")


def first_bad(
    images: jax.Array, logits: Any, loss: jax.Array, grads: Any, updates: Any, model_state: Any
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return (index in `quantities`, -1 for none; norms of gradient and update).

    A leaf is checked by the sum of its squares, so an overflow of this sum counts too. Running
    statistics are checked because they alone may overflow: dividing by an infinite variance gives a
    finite 0.
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
    """Return the names of the checked quantities, in the order in which a step computes them."""
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
