"""torchvision's networks, with random weights; torch and torchvision are an extra."""

import functools
import importlib

import torch
from torch import library

# Operators for detection, whose absence from a CPU build of torch stops torchvision's import.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)


@functools.cache  # the declarations live as long as the library that made them
def _declare_operators():
    """Declare to torch, once, the operators that a CPU build lacks."""
    operators = library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        operators.define(schema)
    return operators


def import_torchvision():
    """Return the module torchvision, on builds of torch with and without its operators."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:  # "operator torchvision::nms does not exist"
        _declare_operators()
        return importlib.import_module("torchvision")


def create(name: str, **options) -> torch.nn.Module:
    """Return torchvision's network of that name with random weights."""
    return import_torchvision().models.get_model(name, weights=None, **options)


def resnet50() -> torch.nn.Module:
    """As published: a bottleneck halves the image in its first 1x1, torchvision's in its 3x3."""
    network = create("resnet50")
    for block in (network.layer2[0], network.layer3[0], network.layer4[0]):
        block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
    return network


NETWORKS = {
    "resnet18": functools.partial(create, "resnet18"),
    "resnet50": resnet50,
    "resnet50_v1_5": functools.partial(create, "resnet50"),
    "vgg16": functools.partial(create, "vgg16"),
    "inception_v3": functools.partial(
        create, "inception_v3", aux_logits=False, init_weights=False, dropout=0.2
    ),
}
