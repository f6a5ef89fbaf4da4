"""Networks, batches and modes of the suites `cpu`, `gpu` and `profile`."""

from collections.abc import Iterable
from typing import NamedTuple

# Decays of He et al. 2015, and a small rate, for all networks on both sides.
LEARNING_RATE, DECAY, WEIGHT_DECAY = 0.001, 0.9, 1e-4
RESIDENT = 50_000  # images of the data set on the device, as many as CIFAR-10's training split


class Case(NamedTuple):
    """A row of a suite.

    Attributes:
      network: name of the network.
      mode: `train`, whole steps of momentum with weight decay, or `inference`.
      batch: images per step.
      dtype: type of the computation.
      data: `one batch`, the same for each step; or `resident`, a batch of a data set on the
        device, drawn and augmented in the step (CIFAR's networks).
    """

    network: str
    mode: str
    batch: int
    dtype: str = "float32"
    data: str = "one batch"


CPU = (
    Case("lenet5", "train", 128),
    Case("resnet20", "train", 128),
    Case("alexnet_2012", "train", 16),
    Case("resnet18", "train", 16),
    Case("resnet50", "inference", 8),
    Case("vgg16", "inference", 4),
)
# Published rates are of ResNet-50 v1.5.
IMAGENET = {
    "resnet50_v1_5": 256,
    "vgg16": 256,
    "inception_v3": 256,
    "googlenet": 256,
    "alexnet_2012": 1024,
}
GPU = (
    *(Case(name, "train", batch, "bfloat16") for name, batch in IMAGENET.items()),
    *(Case(name, "inference", batch, "bfloat16") for name, batch in IMAGENET.items()),
    Case("resnet20", "train", 128, "bfloat16", "resident"),
    Case("resnet110", "train", 128, "bfloat16", "resident"),
)
PROFILED = {
    "cpu": (Case("resnet20", "train", 128), Case("resnet50_v1_5", "train", 8)),
    "gpu": (
        Case("resnet20", "train", 128, "bfloat16"),
        Case("resnet50_v1_5", "train", 256, "bfloat16"),
    ),
}


def networks(cases: Iterable[Case]) -> tuple[str, ...]:
    """Return the networks of some cases, each once."""
    return tuple(dict.fromkeys(case.network for case in cases))
