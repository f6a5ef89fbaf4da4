"""The inputs that published weights expect, which no file of weights states."""

from typing import NamedTuple

from cnn_history import models

CIFAR_SIZE = 32
ONE = (1.0, 1.0, 1.0)


class Inputs(NamedTuple):
    """The preprocessing that weights expect: (values - mean) / std per channel, and resizing.

    Attributes:
      mean: mean of R, G, B, for values from 0 to `largest`.
      std: their standard deviation.
      largest: 1, or 255 for grey levels.
      adapter: resizing, a name in `datasets.adapters.ADAPTERS`.
      source: source of these numbers.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    largest: int
    adapter: str
    source: str


IMAGENET = Inputs(
    *((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1), "resize_crop", "torchvision's"
)
SYMMETRIC = Inputs(
    *((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1), "resize_crop", "the Inceptions' scaling to [-1, 1]"
)
# Caffe's releases. BVLC's were trained on photos squeezed to 256x256. The mean images of BVLC and
# ResNet are replaced by their averages.
BVLC = Inputs(
    *((122.67891434, 116.66876762, 104.00698793), ONE, 255),
    *("warp_crop", "the average of BVLC's mean image"),
)
VGG = Inputs((123.68, 116.779, 103.939), ONE, 255, "resize_crop", "that of VGG's release")
RESNET = Inputs(
    *((123.151630838, 115.902882574, 103.062623801), ONE, 255),
    *("resize_crop", "the average of ResNet's mean image"),
)
BN_INCEPTION = Inputs(
    (128.0, 117.0, 104.0), ONE, 255, "resize_crop", "that of pretrainedmodels' BN-Inception"
)
TABLE = {
    **{("torchvision", name): SYMMETRIC for name in ("googlenet_bn", "inception_v3")},
    ("pretrainedmodels", "bn_inception"): BN_INCEPTION,
    **{("Caffe", name): BVLC for name in ("alexnet", "alexnet_2012")},
    **{("Caffe", name): VGG for name in ("vgg16_c", "vgg16", "vgg19")},
    ("Caffe", "googlenet"): Inputs(
        (123.0, 117.0, 104.0), ONE, 255, "warp_crop", "that of BVLC's GoogLeNet"
    ),
    ("Caffe", "bn_inception"): BN_INCEPTION,
    **{("Caffe", name): RESNET for name in ("resnet50", "resnet101", "resnet152")},
}


def inputs_of(writer: str, name: str) -> Inputs:
    """Return the inputs of a network whose weights have this writer's names."""
    inputs = TABLE.get((writer, name), IMAGENET)
    small = models.info(name).input[0] == CIFAR_SIZE
    return inputs._replace(adapter="resize") if small else inputs
