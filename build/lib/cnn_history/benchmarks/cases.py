"""What is measured: networks, batches and modes of the suites `cpu` and `gpu`."""

from collections.abc import Iterable
from typing import NamedTuple

# He et al. 2015 trained with these; all networks are measured with them, on both sides.
LEARNING_RATE, DECAY, WEIGHT_DECAY = 0.001, 0.9, 1e-4
RESIDENT = 50_000  # images of the data set that lies on the device, as CIFAR-10's training split


class Case(NamedTuple):
    """A row of a suite.

    Attributes:
      network: its name.
      mode: `train`, whole steps of momentum with weight decay, or `inference`.
      batch: images a step.
      dtype: of the computation.
      data: what a step gets: `one batch`, the same again and again; or `resident`, a batch of a
        data set that lies on the device, drawn and augmented in the step (CIFAR's networks).
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
# v1.5, which published rates are of.
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
