"""Module names of other collections of networks, where they differ from torchvision's.

timm's and pretrainedmodels' ResNets and Inception-v3, and the CIFAR networks of chenyaofo and
akamaster need no table: except for ALIASES, they have torchvision's names.
"""

from cnn_history.models import resnet as resnets
from cnn_history.models import vgg as vggs
from cnn_history.weights import alexnet, caffe, vgg
from cnn_history.weights.convert import norm_paths

# timm 1.0: the classifier of VGG is convolutional.
TIMM_VGG = {
    "classifier.0": "pre_logits.fc1",
    "classifier.3": "pre_logits.fc2",
    "classifier.6": "head.fc",
}
TIMM = {
    name: {TIMM_VGG.get(theirs, theirs): ours for theirs, ours in names.items()}
    for name, names in vgg.NAMES.items()
}


def _cadene(name: str, module: str) -> str:
    """Return pretrainedmodels' name for torchvision's of an AlexNet or a VGG."""
    linear = [m for m in FIRST_NAMES[name] if m.startswith("classifier")]
    if module in linear:
        return ("linear0", "linear1", "last_linear")[linear.index(module)]
    return f"_{module}"


FIRST_NAMES = {**alexnet.NAMES, **vgg.NAMES}


def _cadene_bn_inception() -> dict[str, str]:
    """Return the names of the Caffe release, with `_` for `/`; convolutions have biases."""
    names = {}
    for theirs, path in caffe.NAMES["bn_inception"].items():
        if path != "fc":
            module = theirs.replace("/", "_")
            names |= {module: path, f"{module}_bn": f"{path}_norm"}
    return names | {"last_linear": "fc"}


# pretrainedmodels 0.7.
PRETRAINEDMODELS = {
    **{
        name: {_cadene(name, theirs): ours for theirs, ours in names.items()}
        for name, names in FIRST_NAMES.items()
    },
    "bn_inception": _cadene_bn_inception(),
}


def _pytorchcv_resnet(stages: tuple[int, ...], convolutions: int, stem: str) -> dict[str, str]:
    units = {stem: "conv1"}
    for stage, count in enumerate(stages, 1):
        for i in range(1, count + 1):
            theirs, block = f"features.stage{stage}.unit{i}", f"conv{stage + 1}_{i}"
            units |= {
                f"{theirs}.body.conv{n}": f"{block}/conv{n}" for n in range(1, convolutions + 1)
            }
            units[f"{theirs}.identity_conv"] = f"{block}/conv_shortcut"
    names = {"output": "fc"}
    for unit, path in units.items():
        names |= {f"{unit}.conv": path, f"{unit}.bn": norm_paths(path)[1]}
    return names


def _pytorchcv_vgg(column: str) -> dict[str, str]:
    convolutions = [name for name, entry in vggs.rows(column) if entry.startswith("conv")]
    pairs = (name.removeprefix("conv").split("_") for name in convolutions)
    theirs = [f"features.stage{stage}.unit{unit}.conv" for stage, unit in pairs]
    names = dict(zip(theirs, convolutions, strict=True))
    return names | {"output.fc1.fc": "fc6", "output.fc2.fc": "fc7", "output.fc3": "fc8"}


_IMAGENET = {
    depth: _pytorchcv_resnet(
        blocks, 3 if depth in resnets.BOTTLENECK_DEPTHS else 2, "features.init_block.conv"
    )
    for depth, blocks in resnets.IMAGENET_BLOCKS.items()
}
# pytorchcv 0.0.67: its resnet50 is v1, as published, and its resnet50b v1.5; no name shows which.
PYTORCHCV = {
    **{f"resnet{depth}": names for depth, names in _IMAGENET.items()},
    **{f"resnet{depth}_v1_5": names for depth, names in _IMAGENET.items()},
    **{
        f"resnet{depth}": _pytorchcv_resnet([(depth - 2) // 6] * 3, 2, "features.init_block")
        for depth in resnets.CIFAR_DEPTHS
    },
    **{name: _pytorchcv_vgg(vggs.COLUMNS[name]) for name in vggs.BATCH_NORMALIZED},
}
