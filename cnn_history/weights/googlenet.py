"""torchvision's names of GoogLeNet's modules.

Its published weights expect images scaled to [-1, 1] (mean and standard deviation 0.5): their
`transform_input` undoes the usual normalization. Their auxiliary heads were never trained.
"""

from cnn_history.lookup import lookup
from cnn_history.models.googlenet import AUX_HEADS, TABLE_1

STEM = {"conv1": "conv1", "conv2": "conv2_reduce", "conv3": "conv2"}
BRANCHES = {
    "branch1": "1x1",
    "branch2.0": "3x3_reduce",
    "branch2.1": "3x3",
    "branch3.0": "5x5_reduce",
    "branch3.1": "5x5",
    "branch4.1": "pool_proj",
}


def _names() -> dict[str, str]:
    units = dict(STEM)
    for module, widths in TABLE_1.items():
        if widths is not None:
            theirs = module.replace("_", "")
            units |= {f"{theirs}.{branch}": f"{module}/{path}" for branch, path in BRANCHES.items()}
    names = {"fc": "fc"}
    for i, head in enumerate(AUX_HEADS.values(), start=1):
        units[f"aux{i}.conv"] = f"{head}/conv"
        names |= {f"aux{i}.fc1": f"{head}/fc1", f"aux{i}.fc2": f"{head}/fc2"}
    for unit, path in units.items():
        names |= {f"{unit}.conv": path, f"{unit}.bn": f"{path}_norm"}
    return names


NAMES = {"googlenet_bn": _names()}


def torch_names(name: str) -> dict[str, str]:
    """Return {torchvision's module: our path}, including auxiliary heads.

    Raises ValueError for a network that torchvision lacks.
    """
    return lookup(NAMES, name, "torchvision GoogLeNet")
