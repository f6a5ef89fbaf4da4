"""Training of some layers, while the others keep parameters and running statistics."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
from flax import traverse_util


def pick(tree: Any, layers: Sequence[str]) -> Any:
    """Return a tree with only these layers, such as `fc` or `conv2_1/conv1`; empty for all."""
    if not layers:
        return tree
    flat = traverse_util.flatten_dict(tree)
    return traverse_util.unflatten_dict({k: v for k, v in flat.items() if _within(k, layers)})


def put(part: Any, whole: Any) -> Any:
    """Return the tree `whole` with the values of its part replaced."""
    flat = {**traverse_util.flatten_dict(whole), **traverse_util.flatten_dict(part)}
    return traverse_util.unflatten_dict(flat)


def frozen(apply: Callable, layers: Sequence[str]) -> Callable:
    """Return a network's `apply` in which norms outside these layers use running statistics.

    They do so in training too, so that later layers are trained on the inputs of tests.
    """
    if not layers:
        return apply

    def keep(call, arguments, options, context):
        if "use_running_average" in options and not _within(context.module.path, layers):
            options = {**options, "use_running_average": True}
        return call(*arguments, **options)

    def applied(*arguments, **options):
        with nn.intercept_methods(keep):
            return apply(*arguments, **options)

    return applied


def _within(path: Sequence[str], layers: Sequence[str]) -> bool:
    name = "/".join(path)
    return any(name == layer or name.startswith(f"{layer}/") for layer in layers)
