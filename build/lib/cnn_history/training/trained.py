"""Which layers of a network are trained; the others stay as they are, with what they remember."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
from flax import traverse_util


def pick(tree: Any, layers: Sequence[str]) -> Any:
    """Return a tree by names with these layers alone, `fc` or `conv2_1/conv1`; empty for all."""
    if not layers:
        return tree
    flat = traverse_util.flatten_dict(tree)
    return traverse_util.unflatten_dict({k: v for k, v in flat.items() if _within(k, layers)})


def put(part: Any, whole: Any) -> Any:
    """Return the whole tree with the values of a part of it."""
    flat = {**traverse_util.flatten_dict(whole), **traverse_util.flatten_dict(part)}
    return traverse_util.unflatten_dict(flat)


def frozen(apply: Callable, layers: Sequence[str]) -> Callable:
    """Return a network's `apply` in which norms outside these layers go by running statistics.

    In training too, as they will in a test: what stands behind them is trained on what it will see.
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
