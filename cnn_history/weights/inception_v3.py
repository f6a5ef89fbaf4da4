"""torchvision's names of Inception-v3's modules.

Its published weights expect images scaled to [-1, 1] (mean and standard deviation 0.5): their
`transform_input` undoes the usual normalization.
"""

from cnn_history.lookup import lookup
from cnn_history.models.inception_v3 import FIGURE_5, FIGURE_6, FIGURE_7, STEM

DOUBLE_3X3 = {
    "branch3x3dbl_1": "double_3x3_reduce",
    "branch3x3dbl_2": "double_3x3_1",
    "branch3x3dbl_3": "double_3x3_2",
}
OUTER = {"branch1x1": "1x1", "branch_pool": "pool_proj"}
FIGURE_5_BRANCHES = {
    **OUTER,
    "branch5x5_1": "5x5_reduce",
    "branch5x5_2": "5x5",
    **DOUBLE_3X3,
}
FIGURE_6_BRANCHES = {
    **OUTER,
    "branch7x7_1": "7x7_reduce",
    "branch7x7_2": "7x7_1",
    "branch7x7_3": "7x7_2",
    "branch7x7dbl_1": "double_7x7_reduce",
    "branch7x7dbl_2": "double_7x7_1",
    "branch7x7dbl_3": "double_7x7_2",
    "branch7x7dbl_4": "double_7x7_3",
    "branch7x7dbl_5": "double_7x7_4",
}
FIGURE_7_BRANCHES = {
    **OUTER,
    "branch3x3_1": "3x3_reduce",
    "branch3x3_2a": "3x3_a",
    "branch3x3_2b": "3x3_b",
    "branch3x3dbl_1": "double_3x3_reduce",
    "branch3x3dbl_2": "double_3x3_1",
    "branch3x3dbl_3a": "double_3x3_2a",
    "branch3x3dbl_3b": "double_3x3_2b",
}
MODULES = {
    **dict.fromkeys(FIGURE_5, FIGURE_5_BRANCHES),
    "Mixed_6a": {"branch3x3": "3x3", **DOUBLE_3X3},
    **dict.fromkeys(FIGURE_6, FIGURE_6_BRANCHES),
    "Mixed_7a": {
        "branch3x3_1": "3x3_reduce",
        "branch3x3_2": "3x3",
        "branch7x7x3_1": "7x7x3_reduce",
        "branch7x7x3_2": "7x7x3_1",
        "branch7x7x3_3": "7x7x3_2",
        "branch7x7x3_4": "7x7x3_3",
    },
    **dict.fromkeys(FIGURE_7, FIGURE_7_BRANCHES),
}


def _names() -> dict[str, str]:
    units = {row[0]: row[0] for row in STEM if row[1] is not None}
    for module, branches in MODULES.items():
        units |= {f"{module}.{branch}": f"{module}/{path}" for branch, path in branches.items()}
    units |= {"AuxLogits.conv0": "aux_6e/conv1", "AuxLogits.conv1": "aux_6e/conv2"}
    names = {"fc": "fc", "AuxLogits.fc": "aux_6e/fc"}
    for unit, path in units.items():
        names |= {f"{unit}.conv": path, f"{unit}.bn": f"{path}_norm"}
    return names


NAMES = {"inception_v3": _names()}


def torch_names(name: str) -> dict[str, str]:
    """Return {torchvision's module: our path}, including the auxiliary head.

    Raises ValueError for a network that torchvision lacks.
    """
    return lookup(NAMES, name, "torchvision Inception")
