"""Conversion of our variables to other programs' names, the inverse of `convert`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from flax import traverse_util

from cnn_history import layers, models
from cnn_history.weights import loader, resnet
from cnn_history.weights.convert import LEAVES

# Fields of a network that do not affect its evaluation.
IDLE = ("num_classes", "aux_heads", "dropout", "aux_dropout", "kernel_init", "zero_gamma", "dtype")
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
TORCH_LEAVES = {leaf: suffix for suffix, leaves in LEAVES.items() for leaf in leaves}


def torchvision_names(name: str, network: nn.Module) -> Mapping[str, str] | None:
    """Return {our path: torchvision's module}, or None for a network that torchvision lacks.

    A network with options that change its computation is one that torchvision lacks.
    """
    if name not in loader.TORCHVISION or name in resnet.CIFAR:
        return None
    options = {"num_classes": network.num_classes}
    if getattr(network, "aux_heads", False):
        options["aux_heads"] = True
    if _computes(network) != _computes(models.create(name, **options)):
        return None
    return {path: module for module, path in loader.TORCHVISION[name].items()}


def _computes(network: nn.Module) -> dict[str, Any]:
    fields = {f.name: getattr(network, f.name) for f in dataclasses.fields(network)}
    norm = layers.made_by(fields.pop("norm", None))
    fields = {
        name: value for name, value in fields.items() if name not in (*IDLE, "parent", "name")
    }
    return {**fields, "norm": (type(norm), getattr(norm, "epsilon", None))}


def flat(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of a tree by our names, such as `params/conv2_1/conv1/kernel`."""
    return {n: np.asarray(a) for n, a in traverse_util.flatten_dict(variables, sep="/").items()}


def to_torch(
    variables: Mapping[str, Any], names: Mapping[str, str], modules: Mapping[str, nn.Module]
) -> dict[str, np.ndarray]:
    """Return the arrays of a tree in PyTorch's names and layouts: the inverse of `convert`.

    Args:
      variables: variables of a network.
      names: {our path: PyTorch's module}.
      modules: our modules by path.
    """
    tensors = {}
    for leaf, array in flat(variables).items():
        collection, *path, kind = leaf.split("/")
        module = "/".join(path)
        suffix = TORCH_LEAVES[f"{collection}/{{}}/{kind}"]
        if kind == "kernel":
            array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
            if isinstance(modules[module], layers.FullyConnected):
                array = array.reshape(len(array), -1)  # torch flattens [c, h, w]
        tensors[f"{names[module]}.{suffix}"] = np.ascontiguousarray(array)
    return tensors


def program(
    network: nn.Module, variables: Mapping[str, Any], shape: tuple[int, ...], batch: int | None
) -> jax.export.Exported:
    """Return an exported program: preprocessed images [n, *shape], float32 -> logits.

    It includes the weights, and layers in their standard form, for all PLATFORMS.

    Args:
      network: the network.
      variables: its variables.
      shape: (h, w, c) of an image.
      batch: n, or None for any number (symbolic).
    """

    def logits(images):
        return network.apply(variables, images, train=False)

    n = jax.export.symbolic_shape("n")[0] if batch is None else batch
    images = jax.ShapeDtypeStruct((n, *shape), np.float32)
    with layers.as_written():
        return jax.export.export(jax.jit(logits), platforms=PLATFORMS)(images)
