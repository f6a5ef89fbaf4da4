"""Loading weights from a file into one of our networks."""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import layers, models
from cnn_history.lookup import lookup
from cnn_history.weights import (
    alexnet,
    caffe,
    caffe_file,
    googlenet,
    inception_v3,
    peers,
    reader,
    resnet,
    vgg,
)
from cnn_history.weights.convert import convert, fold_biases, norm_paths
from cnn_history.weights.inputs import Inputs, inputs_of

Names = Mapping[str, str]  # {their module: our path}

TORCHVISION: dict[str, Names] = {
    **alexnet.NAMES,
    **vgg.NAMES,
    **googlenet.NAMES,
    **inception_v3.NAMES,
    **resnet.NAMES,
}
# Writer -> our network -> names. Caffe's files have Caffe's names.
LAYOUTS: dict[str, dict[str, Names]] = {
    "torchvision": TORCHVISION,
    "timm": peers.TIMM,
    "pytorchcv": peers.PYTORCHCV,
    "pretrainedmodels": peers.PRETRAINEDMODELS,
}
CAFFE = "Caffe"
NAMES = frozenset({*caffe.NAMES, *(name for layout in LAYOUTS.values() for name in layout)})
ALIASES = {"fc": ("linear", "last_linear"), "downsample": ("shortcut",)}
V1_5 = "_v1_5"
TWO_STRIDES = [f"resnet{depth}{V1_5}" for depth in models.resnet.BOTTLENECK_DEPTHS]
BGR = (("pretrainedmodels", "bn_inception"),)  # as in all Caffe files


class Imported(NamedTuple):
    """A network from a file.

    Attributes:
      options: options of the network that the file determines; one with its own options is a pair.
      variables: variables of the network.
      inputs: the expected inputs.
      told: remarks for the user on choices made.
    """

    options: dict[str, Any]
    variables: dict[str, Any]
    inputs: Inputs
    told: list[str]


def load(
    path: str | pathlib.Path,
    name: str,
    key: str | None = None,
    prototxt: str | pathlib.Path | None = None,
) -> Imported:
    """Return our network `name` with the weights of a file.

    The file determines the number of classes, auxiliary heads, the shortcuts of a CIFAR network,
    and for Caffe the constants of the layers.
    Raises ValueError for a network without published weights, and, naming the tensor, for a file
    that does not fit.

    Args:
      path: the file.
      name: name of the network.
      key: name of the weights to load from a file with several.
      prototxt: definition of a Caffe network, whose constants replace those in the file.
    """
    lookup(dict.fromkeys(NAMES), name, "network with published weights")
    found = reader.read(path, key)
    if found.layers is None:
        if prototxt is not None:
            raise ValueError(f"--prototxt: only for a .caffemodel, which '{path}' is not.")
        return _from_torch(name, found)
    written = found.layers
    if prototxt is not None:
        try:
            written = caffe.with_constants(written, caffe_file.read_text(pathlib.Path(prototxt)))
        except (OSError, ValueError) as error:
            raise ValueError(f"--prototxt: '{prototxt}': {error}.") from error
    return _from_caffe(name, written)


def _from_torch(name: str, found: reader.Contents) -> Imported:
    tensors = found.tensors
    writer = _writer(name, tensors)
    names = {_as_written(theirs, tensors): ours for theirs, ours in LAYOUTS[writer][name].items()}
    options = options_of(name, names, tensors)
    if (writer, name) in BGR:
        tensors = _turned(tensors, names)
    variables, more = _fill(name, options, names, tensors)
    if writer == "pytorchcv" and f"{name.removesuffix(V1_5)}{V1_5}" in TWO_STRIDES:
        more.append("pytorchcv's resnet50 is v1 and its resnet50b v1_5; names do not show which")
    return Imported(options, variables, inputs_of(writer, name), [*found.told, *more])


def _from_caffe(name: str, found: list[caffe_file.Layer]) -> Imported:
    names = lookup(caffe.NAMES, name, "network with a Caffe release")
    options, told = caffe.options(name, found)
    tensors = caffe.tensors(found)
    options |= options_of(name, names, tensors)
    network = models.create(name, **built(options))
    modules = models.layers_of(network, _image(name))
    told += caffe.check_geometry(found, names, modules)
    for norm, path in caffe.norms(found, names).items():
        names = {**names, norm: next(p for p in norm_paths(path) if p in modules)}
    variables, more = _fill(name, options, names, _turned(tensors, names))
    return Imported(options, variables, inputs_of(CAFFE, name), told + more)


def built(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's options as arguments of `models.create`."""
    norm = options.get("norm")
    made = {"norm": functools.partial(layers.NORMS[norm[0]], **norm[1])} if norm else {}
    return {**options, **made}


def _writer(name: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Return the writer whose names a file has; ValueError if they are of another network."""
    modules = {tensor.rpartition(".")[0] for tensor in tensors}

    def fit(names: Names) -> tuple[int, int]:
        written = {_as_written(module, tensors) for module in names}
        return len(modules & written), -len(written - modules)

    best = {writer: max(map(fit, table.values())) for writer, table in LAYOUTS.items()}
    writer = max(best, key=best.get)
    if name in LAYOUTS[writer]:
        return writer
    if best[writer][0]:
        table = LAYOUTS[writer]
        theirs = max(table, key=lambda other: fit(table[other]))
        raise ValueError(f"in {writer}'s names, this network is --model={theirs}.")
    there = [writer for writer, table in LAYOUTS.items() if name in table]
    if not there:
        raise ValueError(f"{name}: expected a .caffemodel, its only published form.")
    return there[0]


def _as_written(module: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Return the name of a module in this file, which may use an alias."""
    for word, others in ALIASES.items():
        for other in others if word in module else ():
            renamed = ".".join(other if part == word else part for part in module.split("."))
            if f"{renamed}.weight" in tensors:
                return renamed
    return module


def options_of(name: str, names: Names, tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the network's options that a file's tensors determine."""
    ours = {path: tensors[f"{m}.weight"] for m, path in names.items() if f"{m}.weight" in tensors}
    options = {}
    classifier = models.create(name).classifier
    if classifier in ours and ours[classifier].ndim:
        options["num_classes"] = ours[classifier].shape[0]
    if any(path.startswith("aux") for path in ours):
        options["aux_heads"] = True
    if name in resnet.CIFAR and any(path.endswith("/conv_shortcut") for path in ours):
        options["shortcut"] = "B"
    if name == "bn_inception":  # all published weights are of the release, not the paper's figure
        options["channels"] = "release"
    return options


def _turned(tensors: Mapping[str, np.ndarray], names: Names) -> dict[str, np.ndarray]:
    """Return the tensors with the first convolution's inputs changed from B, G, R to R, G, B."""
    first = f"{next(iter(names))}.weight"
    return {n: t[:, ::-1] if n == first and t.ndim == 4 else t for n, t in tensors.items()}


def _image(name: str) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *models.info(name).input), jnp.float32)


def abstract_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of a network's variables, with the options of a file."""
    init = functools.partial(models.create(name, **built(options)).init, train=False)
    return jax.eval_shape(init, jax.random.key(0), _image(name))


def _fill(
    name: str, options: Mapping[str, Any], names: Names, tensors: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], list[str]]:
    """Return the variables of a network from tensors, and remarks on changes to these."""
    abstract = abstract_of(name, options)
    tensors, folded = fold_biases(tensors, names, abstract)
    more = f" and {len(folded) - 1} more" if len(folded) > 1 else ""
    told = [f"the bias of {m}{more} is folded into the mean of the next norm" for m in folded[:1]]
    return convert(tensors, names, abstract), told
