"""torchvision's networks, with random weights; torch and torchvision are an extra."""

import functools

import torch
from torch import library

# Operators for detection, whose absence from a CPU build of torch stops torchvision's import.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)


OPERATORS = library.Library("torchvision", "FRAGMENT")  # declarations live as long as it does


def create(name: str, **options) -> torch.nn.Module:
    """Return torchvision's network of that name, on a build of torch with or without operators."""
    try:
        import torchvision
    except RuntimeError:  # "operator torchvision::nms does not exist"
        for schema in SCHEMAS:
            OPERATORS.define(schema)
        import torchvision
    return torchvision.models.get_model(name, weights=None, **options)


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
