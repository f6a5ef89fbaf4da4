"""Networks published as Caffe files: names and constants of their layers.

The releases differ from the papers in constants that neither names nor shapes show. They are in the
layers' parameters, in the file or in its `.prototxt`, and become options of our networks: constants
of response normalization, groups, and ResNet's first pooling.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import numpy as np

from cnn_history.models import alexnet, bn_inception, googlenet, resnet, vgg
from cnn_history.weights.caffe_file import Layer

FACTOR = "factor"  # multiplies BatchNorm's statistics
# The blobs of each layer type, in PyTorch's terms. `bn` is from the fork of Caffe for which
# BN-Inception was published; it is not verified with a published file.
BLOBS = {
    "convolution": ("weight", "bias"),
    "innerproduct": ("weight", "bias"),
    "batchnorm": ("running_mean", "running_var", FACTOR),
    "scale": ("weight", "bias"),
    "bn": ("weight", "bias", "running_mean", "running_var"),
}
PASSING = ("split", "relu", "dropout")  # layers to look through when finding a source
RANKS = {("convolution", "weight"): 4, ("innerproduct", "weight"): 2}  # all other arrays: 1
DEFAULTS = {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0, "eps": 1e-5}
LRN = ("k", "local_size", "alpha", "beta")
GEOMETRY = {"stride": 1, "pad": 0, "dilation": 1, "group": 1}
FLOOR, SUM = 1, 1
MOST_MAPS = 1024  # in the window of a response normalization
HALF_OF_CONV1 = (alexnet.PAPER[0].maps // 2,)
# For files without them, the constants of BVLC's AlexNet, CaffeNet and GoogLeNet; alpha as here.
RELEASED = {"k": 1.0, "n": 5, "alpha": 2e-5, "beta": 0.75}
WITH_LRN = ("alexnet", "alexnet_2012", "googlenet")
CEIL_MODE = ("googlenet", "bn_inception")


def _plain(table: Sequence) -> dict[str, str]:
    return {row.name: row.name for row in table} | {f"fc{i}": f"fc{i}" for i in (6, 7, 8)}


def _vgg(column: str) -> dict[str, str]:
    convolutions = [name for name, entry in vgg.rows(column) if entry.startswith("conv")]
    return {name: name for name in (*convolutions, "fc6", "fc7", "fc8")}


def _googlenet() -> dict[str, str]:
    names = {"conv1/7x7_s2": "conv1", "conv2/3x3_reduce": "conv2_reduce", "conv2/3x3": "conv2"}
    for module, widths in googlenet.TABLE_1.items():
        for branch in BRANCHES if widths else ():
            names[f"{module}/{branch}"] = f"{module}/{branch}"
    for i, head in enumerate(googlenet.AUX_HEADS.values(), 1):
        names |= {f"loss{i}/conv": f"{head}/conv", f"loss{i}/fc": f"{head}/fc1"}
        names[f"loss{i}/classifier"] = f"{head}/fc2"
    return names | {"loss3/classifier": "fc"}


BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
BN_BRANCHES = (
    *("1x1", "3x3_reduce", "3x3", "pool_proj"),
    *("double_3x3_reduce", "double_3x3_1", "double_3x3_2"),
)


def _bn_inception() -> dict[str, str]:
    names = {"conv1/7x7_s2": "conv1", "conv2/3x3_reduce": "conv2_reduce", "conv2/3x3": "conv2"}
    for module, row in bn_inception.FIGURE_5.items():
        for branch in BN_BRANCHES:
            if row.conv1x1 is not None or branch not in ("1x1", "pool_proj"):
                names[f"{module}/{branch}"] = f"{module}/{branch}"
    return names | {"loss3/classifier": "fc"}


def _resnet(depth: int) -> dict[str, str]:
    names = {"conv1": "conv1", "fc1000": "fc"}
    for stage, count in enumerate(resnet.IMAGENET_BLOCKS[depth], 2):
        for i in range(count):
            letter = "abcdef"[i] if depth == 50 or stage in (2, 5) else f"b{i}" if i else "a"
            theirs, block = f"res{stage}{letter}_branch", f"conv{stage}_{i + 1}"
            names |= {f"{theirs}2{c}": f"{block}/conv{n}" for n, c in enumerate("abc", 1)}
            names[f"{theirs}1"] = f"{block}/conv_shortcut"
    return names


NAMES: dict[str, dict[str, str]] = {
    "alexnet": _plain(alexnet.LECTURE),
    "alexnet_2012": _plain(alexnet.PAPER),
    **{name: _vgg(vgg.COLUMNS[name]) for name in ("vgg16_c", "vgg16", "vgg19")},
    "googlenet": _googlenet(),
    "bn_inception": _bn_inception(),
    **{f"resnet{depth}": _resnet(depth) for depth in resnet.BOTTLENECK_DEPTHS},
}


def sources(layers: Sequence[Layer]) -> list[Layer | None]:
    """Return for each layer the source of its first input, looking through PASSING layers."""
    made, found = {}, []
    for layer in layers:
        found.append(made.get(layer.bottoms[0]) if layer.bottoms else None)
        made.update(dict.fromkeys(layer.tops, found[-1] if layer.type in PASSING else layer))
    return found


def with_constants(layers: Sequence[Layer], written: Sequence[Layer]) -> list[Layer]:
    """Return the layers of a `.prototxt` with the blobs of a file's layers of the same names.

    Raises ValueError, which names the layer, for blobs without a layer in the text.
    """
    blobs = {layer.name: layer.blobs for layer in layers if layer.blobs}
    if missing := sorted(set(blobs) - {layer.name for layer in written}):
        raise ValueError(f"it has no layer '{missing[0]}', but the weights have blobs for one")
    return [layer._replace(blobs=blobs.get(layer.name, [])) for layer in written]


def tensors(layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Return the blobs in PyTorch's names and layouts, such as `conv1.weight`.

    A Scale belongs to the BatchNorm before it, whose statistics are divided by its third blob. If
    that is 0, as in an untrained layer, they become 0, as in Caffe.
    Raises ValueError, which names the layer, for other blobs.
    """
    found: dict[str, np.ndarray] = {}
    for layer, source in zip(layers, sources(layers), strict=True):
        if not layer.blobs:
            continue
        leaves = BLOBS.get(layer.type, ())
        if len(layer.blobs) > len(leaves) or (layer.type == "batchnorm" and len(layer.blobs) < 3):
            raise ValueError(
                f"the layer '{layer.name[:80]}' of type '{layer.type[:80]}' has {len(layer.blobs)} "
                f"blobs; no layer of our networks matches."
            )
        behind = layer.type == "scale" and source is not None and source.type == "batchnorm"
        module = source.name if behind else layer.name
        arrays = {
            f"{module}.{leaf}": _array(layer, leaf, blob)
            for leaf, blob in zip(leaves, layer.blobs, strict=False)
        }
        if layer.type == "batchnorm":
            factor = arrays.pop(f"{module}.{FACTOR}")
            if factor.shape != (1,) or not np.isfinite(factor[0]):
                raise ValueError(f"the third blob of '{module[:80]}' is not a finite number.")
            arrays = {n: a / factor[0] if factor[0] else 0 * a for n, a in arrays.items()}
        if again := sorted(found.keys() & arrays.keys()):
            raise ValueError(f"layer '{again[0][:80]}' occurs twice.")
        found |= arrays
    return found


def _array(layer: Layer, leaf: str, blob: np.ndarray) -> np.ndarray:
    """Return a blob without the ones that old files put before its sizes."""
    sizes = RANKS.get((layer.type, leaf), 1)
    while blob.ndim > sizes and blob.shape[0] == 1:
        blob = blob[0]
    return blob.T if sizes == 2 and layer.parameters.get("transpose", [0])[0] else blob


def norms(layers: Sequence[Layer], names: Mapping[str, str]) -> dict[str, str]:
    """Return {normalization: path of the convolution before it in our network}."""
    return {
        layer.name: names[source.name]
        for layer, source in zip(layers, sources(layers), strict=True)
        if layer.type in ("batchnorm", "bn") and source is not None and source.name in names
    }


def options(name: str, layers: Sequence[Layer]) -> tuple[dict[str, Any], list[str]]:
    """Return the options of our network for a file's constants, and remarks for the user.

    An option with its own options is (name, options). Raises ValueError for constants that our
    network does not support.
    """
    chosen, told = {}, []
    if name in WITH_LRN:
        _response_norm(name, layers, chosen, told)
    halves = (layer for layer in layers if layer.name == "conv2" and layer.blobs)
    if name == "alexnet" and any(layer.blobs[0].shape[1:2] == HALF_OF_CONV1 for layer in halves):
        chosen["groups"] = 2
        told.append("groups=2, as in CaffeNet (the lecture's network has one group)")
    floor = any(layer.parameters.get("round_mode", [0])[0] == FLOOR for layer in layers)
    if name in CEIL_MODE and floor:
        raise ValueError(f"it pools in floor mode, but {name} pools in ceil mode.")
    for layer in layers:
        joint = layer.type == "eltwise" and layer.parameters
        if layer.parameters.get("negative_slope", [0])[0]:
            raise ValueError(
                f"'{layer.name[:80]}' is a leaky ReLU, which our networks do not have."
            )
        if joint and (joint.get("operation", [SUM])[0] != SUM or set(joint.get("coeff", [])) - {1}):
            raise ValueError(f"'{layer.name[:80]}' combines maps by another operation than a sum.")
    if name == "bn_inception":
        told.append("the names of this release have not been verified with a published file")
    if name.startswith("resnet"):
        _pool1(layers, chosen, told)
    epsilons = {_constant(layer, "eps") for layer in layers if layer.type == "batchnorm"}
    if len(epsilons) > 1:
        raise ValueError(f"its normalizations have different eps: {sorted(epsilons)}.")
    if epsilons - {DEFAULTS["eps"]}:
        chosen["norm"] = ("batch_norm", {"epsilon": epsilons.pop()})
    return chosen, told


def _constant(layer: Layer, word: str) -> float:
    return layer.parameters.get(word, [DEFAULTS[word]])[0]


def _response_norm(name: str, layers: Sequence[Layer], chosen: dict, told: list[str]) -> None:
    """Set the response normalization of a file. Caffe's alpha is for a mean over n maps, ours for
    a sum. Its place before or after pooling distinguishes AlexNet from CaffeNet."""
    found = {layer.name: layer for layer in layers if layer.type == "lrn"}
    constants = {tuple(_constant(layer, word) for word in LRN) for layer in found.values()}
    if len(constants) > 1 or any(
        layer.parameters.get("norm_region", [0])[0] for layer in found.values()
    ):
        raise ValueError(
            "its response normalizations differ from each other, or normalize within maps."
        )
    said = any(layer.parameters for layer in found.values())
    group = dict(RELEASED)
    if said:
        k, n, alpha, beta = constants.pop()
        if not 1 <= n <= MOST_MAPS:
            raise ValueError(f"its response normalization is over {n} maps.")
        group = {"k": k, "n": int(n), "alpha": alpha / n, "beta": beta}
    chosen["norm"] = ("local_response_norm", group)
    numbers = ", ".join(f"{word}={value:g}" for word, value in group.items())
    whose = (
        "of the file" if said else "of Caffe's release, because the file states none (--prototxt=)"
    )
    told.append(f"response normalization with {numbers} (alpha for a sum), {whose}")
    for layer, source in zip(layers, sources(layers), strict=True):
        if name != "googlenet" and layer.type == "lrn" and source is not None:
            right = "alexnet" if source.type == "pooling" else "alexnet_2012"
            if name != right:
                order = "after" if right == "alexnet" else "before"
                raise ValueError(f"'{layer.name}' comes {order} its pooling; use --model={right}.")


def _pool1(layers: Sequence[Layer], chosen: dict, told: list[str]) -> None:
    """Set the padding of ResNet's first pooling."""
    pool = next((layer.parameters for layer in layers if layer.type == "pooling"), {})
    padded = pool.get("pad", pool.get("pad_h", [0]))[0] == 1
    floor = pool.get("round_mode", [0])[0] == FLOOR
    if padded != floor:
        raise ValueError("its first pooling gives 57x57 or 55x55; our networks give 56x56.")
    if not padded:
        chosen["ceil_pool1"] = True
        whose = (
            "in the file"
            if pool
            else "in Caffe's release; the file does not state it (--prototxt=)"
        )
        told.append(f"ceil_pool1: no padding and ceil mode, as {whose}")


def check_geometry(
    layers: Sequence[Layer], names: Mapping[str, str], modules: Mapping[str, nn.Module]
) -> list[str]:
    """Return a remark for the user if a file does not state its strides.

    Raises ValueError, which names the layer, for a convolution with other strides or paddings than
    ours, which neither names nor shapes show.

    Args:
      layers: layers of the file.
      names: {their name: our path}.
      modules: our modules by path.
    """
    silent = False
    for layer, source in zip(layers, sources(layers), strict=True):
        module = modules.get(names.get(layer.name, ""))
        if layer.type != "convolution" or not isinstance(module, nn.Conv):
            continue
        if not {"kernel_size", "kernel_h"} & layer.parameters.keys():
            silent = True
            continue
        theirs = {word: _pair(layer, word) for word in GEOMETRY}
        if source is not None and source.type == "padding":  # in the oldest files
            theirs["pad"] = _pair(source, "pad")
        for word, pair in _geometry(module).items():
            if theirs[word] != pair:
                raise ValueError(
                    f"'{layer.name}' has {word} {theirs[word]}, but our {names[layer.name]} has "
                    f"{pair}; the file is of another network or version."
                )
    return ["strides and paddings are ours, because the file does not state them"] if silent else []


def _pair(layer: Layer, word: str) -> tuple[int, int]:
    """Return a parameter of a convolution along h and along w."""
    given = layer.parameters
    if f"{word}_h" in given or f"{word}_w" in given:
        return tuple(int(given.get(f"{word}_{axis}", [GEOMETRY[word]])[0]) for axis in "hw")
    several = given.get(word, [GEOMETRY[word]])
    return int(several[0]), int(several[-1])


def _geometry(module: nn.Conv) -> dict[str, tuple[int, int]]:
    def pair(value):
        return (value, value) if isinstance(value, int) else tuple(value)

    return {
        "stride": pair(module.strides),
        "pad": pair(module.padding),
        "dilation": pair(module.kernel_dilation or 1),
        "group": pair(module.feature_group_count),
    }
