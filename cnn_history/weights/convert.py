"""Conversion of tensors in PyTorch's names and layouts to the variables of a Flax network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from cnn_history.lookup import nearest

# Our variables for each of a module's tensors; `weight` is a kernel or a normalization's scale.
LEAVES = {
    "weight": ("params/{}/kernel", "params/{}/scale"),
    "bias": ("params/{}/bias",),
    "running_mean": ("batch_stats/{}/mean",),
    "running_var": ("batch_stats/{}/var",),
}
IGNORED = "num_batches_tracked"  # a counter, which torch uses only for cumulative averages


def convert(
    state_dict: Mapping[str, np.ndarray], names: Mapping[str, str], abstract: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the variables of a network, filled from the tensors of a PyTorch `state_dict`.

    Convolutions go from `[out, in, h, w]` to `[h, w, in, out]`, linear layers from `[out, in]` to
    `[in, out]`, or to `[h, w, c, out]` for our `layers.FullyConnected`, because torch flattens
    `[c, h, w]`. Normalizations become `scale`, `bias` and the `batch_stats` `mean` and `var`.

    Args:
      state_dict: torch's tensors by name, such as `layer1.0.conv1.weight`.
      names: {torch's module: our path}, such as `layer1.0.conv1`: `conv2_1/conv1`. Modules that
        the network lacks (disabled heads) are ignored, but their tensors are errors.
      abstract: the network's variables, or their `jax.ShapeDtypeStruct`s.

    Raises ValueError, which names the tensor, if one is missing or left over, or has another shape
    or kind than the network's.
    """
    wanted = traverse_util.flatten_dict(abstract, sep="/")
    sources = {
        f"{module}.{suffix}": leaf.format(path)
        for module, path in names.items()
        for suffix, leaves in LEAVES.items()
        for leaf in leaves
        if leaf.format(path) in wanted
    }
    tensors = {n: t for n, t in state_dict.items() if n.rpartition(".")[2] != IGNORED}

    if unnamed := sorted(set(wanted) - set(sources.values())):
        raise ValueError(f"the weights have no tensors for {_first(unnamed)} of this network.")
    if missing := sorted(set(sources) - set(tensors)):
        shape = wanted[sources[missing[0]]].shape
        hint = f"; {nearest(missing[0], tensors)}" if tensors else "."
        raise ValueError(
            f"the weights lack {_first(missing)}, for {sources[missing[0]]} {list(shape)}{hint}"
        )
    if leftover := sorted(set(tensors) - set(sources)):
        raise ValueError(
            f"the network has no parameter for {_first(leftover)}, of shape "
            f"{list(tensors[leftover[0]].shape)}; {nearest(leftover[0], sources)}"
        )
    leaves = {leaf: _to_ours(n, tensors[n], wanted[leaf], leaf) for n, leaf in sources.items()}
    return traverse_util.unflatten_dict(leaves, sep="/")


def norm_paths(path: str) -> tuple[str, str]:
    """Return the possible paths of the normalization after a convolution."""
    *block, name = path.split("/")
    return f"{path}_norm", "/".join([*block, name.replace("conv", "norm")])


def fold_biases(
    state_dict: Mapping[str, np.ndarray], names: Mapping[str, str], abstract: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the tensors without redundant biases, and the modules that had them.

    If their convolution has a bias and ours has none, it is subtracted from the running mean of the
    normalization after it, which has the same effect.
    """
    wanted = traverse_util.flatten_dict(abstract, sep="/")
    theirs = {path: module for module, path in names.items()}
    tensors, folded = dict(state_dict), []
    for module, path in names.items():
        bias = tensors.get(f"{module}.bias")
        norm = next((theirs[p] for p in norm_paths(path) if p != path and p in theirs), None)
        mean = tensors.get(f"{norm}.running_mean")
        has_place = f"params/{path}/bias" in wanted or f"params/{path}/kernel" not in wanted
        if bias is None or mean is None or has_place or bias.shape != mean.shape:
            continue
        tensors[f"{norm}.running_mean"] = mean - bias
        del tensors[f"{module}.bias"]
        folded.append(module)
    return tensors, folded


def not_finite(variables: Mapping[str, Any]) -> str:
    """Return a description of the first invalid array; empty if all are valid."""
    for name, leaf in traverse_util.flatten_dict(variables, sep="/").items():
        variance = name.startswith("batch_stats/") and name.endswith("/var")
        if fault := _fault(np.asarray(leaf), variance):
            return f"{name} {fault}"
    return ""


def _fault(array: np.ndarray, variance: bool) -> str:
    if not np.isfinite(array.astype(np.float32, copy=False)).all():
        return "holds values that are not finite"
    return "holds a negative variance" if variance and (array < 0).any() else ""


def _first(names: list[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"'{names[0]}'{more}"


def _to_ours(name: str, tensor: np.ndarray, target: Any, leaf: str) -> np.ndarray:
    """Return the tensor in our layout and dtype; ValueError for a wrong shape or kind."""
    if not np.issubdtype(tensor.dtype, np.floating):
        raise ValueError(f"'{name}': expected floating-point weights, got {tensor.dtype}.")
    shape = target.shape
    if tensor.ndim == len(shape) == 4:
        theirs, ours = (shape[3], shape[2], *shape[:2]), lambda t: t.transpose(2, 3, 1, 0)
    elif tensor.ndim == 2 and len(shape) == 4:
        h, w, c, features = shape
        theirs = (features, h * w * c)

        def ours(t):
            return t.reshape(features, c, h, w).transpose(2, 3, 1, 0)
    else:
        if tensor.ndim == 4 and len(shape) == 2 and tensor.shape[2:] == (1, 1):
            tensor = tensor[:, :, 0, 0]  # a linear layer written as a 1x1 convolution
        theirs, ours = shape[::-1], np.transpose
    if tensor.shape != theirs:
        raise ValueError(
            f"'{name}': expected shape {list(theirs)}, for {leaf} {list(shape)}, got "
            f"{list(tensor.shape)}."
        )
    made = np.ascontiguousarray(ours(tensor), dtype=target.dtype)
    if fault := _fault(made, leaf.endswith("/var")):
        raise ValueError(f"'{name}' {fault}.")
    return made
