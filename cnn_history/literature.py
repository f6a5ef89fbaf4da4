"""Error rates that the papers printed: cited, never computed.

Percentages as in the papers' tables. `protocol` is that of `evaluation` where the paper's is one of
them, else in the paper's words.
"""

from collections.abc import Sequence
from typing import NamedTuple

IMAGENET, CIFAR10, MNIST = "imagenet2012", "cifar10", "mnist"

LECUN_1998 = "LeCun et al. 1998"
KRIZHEVSKY_2012 = "Krizhevsky et al. 2012"
ZEILER_2013 = "Zeiler & Fergus 2013, arXiv:1311.2901"
SIMONYAN_2014 = "Simonyan & Zisserman 2014, arXiv:1409.1556"
SZEGEDY_2014 = "Szegedy et al. 2014, arXiv:1409.4842"
IOFFE_2015 = "Ioffe & Szegedy 2015, arXiv:1502.03167"
SZEGEDY_2015 = "Szegedy et al. 2015, arXiv:1512.00567"
HE_2015 = "He et al. 2015, arXiv:1512.03385"
HE_2016 = "He et al. 2016, arXiv:1603.05027"
HUANG_2018 = "Huang et al. 2018, arXiv:1804.08450"
HE_RELEASE = "github.com/KaimingHe/deep-residual-networks, README"


class Published(NamedTuple):
    """A row of a paper's table.

    Attributes:
      label: of the entry, in the paper's words.
      network: its name here, or None where it is no network of ours.
      models: number of networks whose predictions were averaged.
      dataset: name of the data set here.
      split: `val` or `test`.
      protocol: how it was evaluated.
      top1: error in percent, or None where it was not printed.
      top5: likewise.
      where: table, figure or section.
      source: the paper.
    """

    label: str
    network: str | None
    models: int
    dataset: str
    split: str
    protocol: str
    top1: float | None
    top5: float | None
    where: str
    source: str


def _rows(source: str, dataset: str, where: str, split: str, protocol: str, *rows) -> list:
    """Return rows of (label, network, models, top1, top5) that share the rest."""
    return [
        Published(label, network, models, dataset, split, protocol, top1, top5, where, source)
        for label, network, models, top1, top5 in rows
    ]


PUBLISHED: list[Published] = [
    *_rows(LECUN_1998, MNIST, "fig. 9", "test", "single_crop",
        ("LeNet-5", "lenet5_1998", 1, 0.95, None)),
    *_rows(KRIZHEVSKY_2012, IMAGENET, "table 2", "val", "ten_crop",
        ("1 CNN", "alexnet_2012", 1, 40.7, 18.2),
        ("5 CNNs", "alexnet_2012", 5, 38.1, 16.4),
        ("1 CNN*, pre-trained on ImageNet 2011", None, 1, 39.0, 16.6),
        ("7 CNNs*, two of them pre-trained", None, 7, 36.7, 15.4)),
    *_rows(KRIZHEVSKY_2012, IMAGENET, "table 2", "test", "ten_crop",
        ("SIFT + FVs", None, 1, None, 26.2),
        ("5 CNNs", "alexnet_2012", 5, None, 16.4),
        ("7 CNNs*, two of them pre-trained", None, 7, None, 15.3)),
    *_rows(ZEILER_2013, IMAGENET, "table 2", "val", "not stated",
        ("replication of Krizhevsky et al., 1 convnet", "alexnet_2012", 1, 40.5, 18.1),
        ("1 convnet as per fig. 3", "zfnet", 1, 38.4, 16.5),
        ("5 convnets as per fig. 3 (a)", "zfnet", 5, 36.7, 15.3),
        ("1 convnet, layers 3, 4, 5: 512, 1024, 512 maps (b)", "zfnet_b", 1, 37.5, 16.0),
        ("6 convnets, (a) and (b)", None, 6, 36.0, 14.7)),
    *_rows(ZEILER_2013, IMAGENET, "table 2", "test", "not stated",
        ("5 convnets as per fig. 3 (a)", "zfnet", 5, None, 15.3),
        ("1 convnet, layers 3, 4, 5: 512, 1024, 512 maps (b)", "zfnet_b", 1, None, 16.1),
        ("6 convnets, (a) and (b)", None, 6, None, 14.8)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 3, S = Q = 256", "val", "dense",
        ("VGG-A", "vgg11", 1, 29.6, 10.4),
        ("VGG-A-LRN", "vgg11_lrn", 1, 29.7, 10.5),
        ("VGG-B", "vgg13", 1, 28.7, 9.9),
        ("VGG-C", "vgg16_c", 1, 28.1, 9.4),
        ("VGG-D", "vgg16", 1, 27.0, 8.8),
        ("VGG-E", "vgg19", 1, 27.3, 9.0)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 3, S in [256, 512], Q = 384", "val", "dense",
        ("VGG-C", "vgg16_c", 1, 27.3, 8.8),
        ("VGG-D", "vgg16", 1, 25.6, 8.1),
        ("VGG-E", "vgg19", 1, 25.5, 8.0)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 4, S in [256, 512]", "val", "multi_scale_dense",
        ("VGG-C", "vgg16_c", 1, 26.3, 8.2),
        ("VGG-D", "vgg16", 1, 24.8, 7.5),
        ("VGG-E", "vgg19", 1, 24.8, 7.5)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 5", "val", "crops150",
        ("VGG-D", "vgg16", 1, 24.6, 7.5),
        ("VGG-E", "vgg19", 1, 24.6, 7.4)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 5", "val", "multi_crop_and_dense",
        ("VGG-D", "vgg16", 1, 24.4, 7.2),
        ("VGG-E", "vgg19", 1, 24.4, 7.1)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 6", "val", "multi_scale_dense",
        ("ILSVRC submission, 7 nets", None, 7, 24.7, 7.5),
        ("D and E", None, 2, 24.0, 7.1)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 6", "val", "crops150",
        ("D and E", None, 2, 23.9, 7.2)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 6", "val", "multi_crop_and_dense",
        ("D and E", None, 2, 23.7, 6.8)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 6", "test", "multi_scale_dense",
        ("ILSVRC submission, 7 nets", None, 7, None, 7.3),
        ("D and E", None, 2, None, 7.0)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 6", "test", "multi_crop_and_dense",
        ("D and E", None, 2, None, 6.8)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 7", "test", "multi_crop_and_dense",
        ("VGG-E, 1 net", "vgg19", 1, None, 7.0)),
    *_rows(SIMONYAN_2014, IMAGENET, "table 7", "test", "several networks",
        ("Clarifai, ILSVRC-2013, no outside data", None, 0, None, 11.7),
        ("Clarifai, 1 net", None, 1, None, 12.5)),
    *_rows(SZEGEDY_2014, IMAGENET, "table 3", "val", "single_crop",
        ("GoogLeNet, 1 model", "googlenet", 1, None, 10.07),
        ("GoogLeNet, 7 models", "googlenet", 7, None, 8.09)),
    *_rows(SZEGEDY_2014, IMAGENET, "table 3", "val", "ten_crop",
        ("GoogLeNet, 1 model", "googlenet", 1, None, 9.15),
        ("GoogLeNet, 7 models", "googlenet", 7, None, 7.62)),
    *_rows(SZEGEDY_2014, IMAGENET, "table 3", "val", "crops144",
        ("GoogLeNet, 1 model", "googlenet", 1, None, 7.89),
        ("GoogLeNet, 7 models", "googlenet", 7, None, 6.67)),
    *_rows(SZEGEDY_2014, IMAGENET, "table 2", "test", "crops144",
        ("GoogLeNet, 7 models", "googlenet", 7, None, 6.67)),
    *_rows(SZEGEDY_2014, IMAGENET, "table 2", "test", "several networks",
        ("Clarifai, with ImageNet 22k", None, 0, None, 11.2)),
    *_rows(IOFFE_2015, IMAGENET, "fig. 4", "val", "single_crop",
        ("BN-Inception single crop", "bn_inception", 1, 25.2, 7.82)),
    *_rows(IOFFE_2015, IMAGENET, "fig. 4", "val", "crops144",
        ("BN-Inception multicrop", "bn_inception", 1, 21.99, 5.82),
        ("BN-Inception ensemble", "bn_inception", 6, 20.1, 4.9)),
    *_rows(IOFFE_2015, IMAGENET, "sec. 4.2.3", "test", "crops144",
        ("BN-Inception ensemble", "bn_inception", 6, None, 4.82)),
    *_rows(SZEGEDY_2015, IMAGENET, "table 3", "val", "single_crop",
        ("Inception-v3", "inception_v3", 1, 21.2, 5.6)),
    *_rows(SZEGEDY_2015, IMAGENET, "table 4", "val", "crops144",
        ("Inception-v3", "inception_v3", 1, 18.77, 4.2)),
    *_rows(SZEGEDY_2015, IMAGENET, "abstract", "val", "crops144",
        ("Inception-v3, 4 models", "inception_v3", 4, 17.3, 3.5)),
    *_rows(SZEGEDY_2015, IMAGENET, "abstract", "test", "crops144",
        ("Inception-v3, 4 models", "inception_v3", 4, None, 3.6)),
    *_rows(HE_2015, IMAGENET, "tables 2 and 3", "val", "ten_crop",
        ("VGG-16 (their test)", "vgg16", 1, 28.07, 9.33),
        ("PReLU-net", None, 1, 24.27, 7.38),
        ("plain-18", "plain18", 1, 27.94, None),
        ("plain-34", "plain34", 1, 28.54, 10.02),
        ("ResNet-18 A", "resnet18", 1, 27.88, None),
        ("ResNet-34 A", "resnet34", 1, 25.03, 7.76),
        ("ResNet-34 B", "resnet34", 1, 24.52, 7.46),
        ("ResNet-34 C", "resnet34", 1, 24.19, 7.40),
        ("ResNet-50", "resnet50", 1, 22.85, 6.71),
        ("ResNet-101", "resnet101", 1, 21.75, 6.05),
        ("ResNet-152", "resnet152", 1, 21.43, 5.71)),
    *_rows(HE_2015, IMAGENET, "table 4", "val", "multi_scale_dense",
        ("PReLU-net", None, 1, 21.59, 5.71),
        ("ResNet-34 B", "resnet34", 1, 21.84, 5.71),
        ("ResNet-34 C", "resnet34", 1, 21.53, 5.60),
        ("ResNet-50", "resnet50", 1, 20.74, 5.25),
        ("ResNet-101", "resnet101", 1, 19.87, 4.60),
        ("ResNet-152", "resnet152", 1, 19.38, 4.49)),
    *_rows(HE_2015, IMAGENET, "table 5", "test", "multi_scale_dense",
        ("PReLU-net", None, 0, None, 4.94),
        ("ResNet, ILSVRC'15", None, 6, None, 3.57)),
    *_rows(HE_RELEASE, IMAGENET, "README", "val", "single_crop",
        ("ResNet-50", "resnet50", 1, 24.7, 7.8),
        ("ResNet-101", "resnet101", 1, 23.6, 7.1),
        ("ResNet-152", "resnet152", 1, 23.0, 6.7),
        ("VGG-16", "vgg16", 1, 28.5, 9.9)),
    *_rows(HE_2015, CIFAR10, "table 6", "test", "single_crop",
        ("ResNet-20", "resnet20", 1, 8.75, None),
        ("ResNet-32", "resnet32", 1, 7.51, None),
        ("ResNet-44", "resnet44", 1, 7.17, None),
        ("ResNet-56", "resnet56", 1, 6.97, None),
        ("ResNet-110, best of 5", "resnet110", 1, 6.43, None),
        ("ResNet-1202", "resnet1202", 1, 7.93, None)),
    *_rows(HE_2016, CIFAR10, "table 3", "test", "single_crop",
        ("ResNet-110, pre-activation unit", "preact_resnet110", 1, 6.37, None),
        ("ResNet-164, pre-activation unit", "preact_resnet164", 1, 5.46, None),
        ("ResNet-1001, pre-activation unit", "preact_resnet1001", 1, 4.92, None)),
    *_rows(HE_2016, IMAGENET, "table 5", "val", "single crop of 320",
        ("ResNet-152, pre-act", "resnet152_v2", 1, 21.1, 5.5)),
]  # fmt: skip


def published(network: str, dataset: str, protocol: str, models: int = 1) -> list[Published]:
    """Return the papers' rows of a network under a protocol."""
    return [
        row
        for row in PUBLISHED
        if (row.network, row.dataset, row.protocol, row.models)
        == (network, dataset, protocol, models)
    ]


def beside(networks: Sequence[str], dataset: str, classes: int, protocol: str) -> list[Published]:
    """Return the papers' rows that stand beside the error of a network, or of an ensemble of it.

    A `folder` of 1,000 classes is ImageNet, as people keep it on disk.

    Args:
      networks: of the ensemble; those of different networks have no rows.
      dataset: that the error was measured on.
      classes: number of its classes.
      protocol: by which it was measured.
    """
    if len(set(networks)) > 1:
        return []
    if (dataset, classes) == ("folder", 1000):
        dataset = IMAGENET
    return published(networks[0], dataset, protocol, len(networks))
