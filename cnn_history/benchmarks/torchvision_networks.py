"""torchvision's networks, with random weights; torch and torchvision are an extra."""

import functools

import torch
from torch import library

# Detection operators; torchvision's import fails if a CPU build of torch lacks them.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)


OPERATORS = library.Library("torchvision", "FRAGMENT")  # keeps the declarations alive


def create(name: str, **options) -> torch.nn.Module:
    """Return torchvision's network of a name, also on builds of torch without the operators."""
    try:
        import torchvision
    except RuntimeError:  # "operator torchvision::nms does not exist"
        for schema in SCHEMAS:
            OPERATORS.define(schema)
        import torchvision
    return torchvision.models.get_model(name, weights=None, **options)


def resnet50() -> torch.nn.Module:
    """Return ResNet-50 as published: with strides in the first 1x1, not in the 3x3."""
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
