"""A network of ours with the weights of a PyTorch file."""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import models
from cnn_history.lookup import lookup
from cnn_history.weights import alexnet, googlenet, inception_v3, resnet, vgg
from cnn_history.weights.convert import convert
from cnn_history.weights.reader import read

NAMES: dict[str, dict[str, str]] = {
    **alexnet.NAMES,
    **vgg.NAMES,
    **googlenet.NAMES,
    **inception_v3.NAMES,
    **resnet.NAMES,
}


def load_torch(path: str | pathlib.Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options and the variables of our network `name` with the weights of a file.

    The file says the number of classes, whether there are auxiliary heads, and whether the
    shortcuts of a CIFAR network project.
    Raises ValueError for a network that PyTorch does not have, and for a file that does not fit,
    naming the tensor.
    """
    names = lookup(NAMES, name, "network with PyTorch weights")
    tensors = read(path)
    names = {_as_written(theirs, tensors): ours for theirs, ours in names.items()}
    options = options_of(name, names, tensors)
    init = functools.partial(models.create(name, **options).init, train=False)
    image = jax.ShapeDtypeStruct((1, *models.info(name).input), jnp.float32)
    return options, convert(tensors, names, jax.eval_shape(init, jax.random.key(0), image))


def _as_written(module: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Return the name under which this file has a module."""
    other = ".".join(resnet.ALIASES.get(part, part) for part in module.split("."))
    return other if f"{other}.weight" in tensors else module


def options_of(
    name: str, names: Mapping[str, str], tensors: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return the network's options that a file's tensors show."""
    ours = {path: tensors[f"{m}.weight"] for m, path in names.items() if f"{m}.weight" in tensors}
    options = {}
    classifier = models.create(name).classifier
    if classifier in ours:
        options["num_classes"] = ours[classifier].shape[0]
    if any(path.startswith("aux") for path in ours):
        options["aux_heads"] = True
    if name in resnet.CIFAR and any(path.endswith("/conv_shortcut") for path in ours):
        options["shortcut"] = "B"
    return options
