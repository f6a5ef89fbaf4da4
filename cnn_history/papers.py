"""The papers, and the error rates that they print: cited, never computed.

The networks, the lecture's claims, the page and the number beside a run all refer to this table. A
paper's year is that of its first appearance, on arXiv or in print.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

IMAGENET, CIFAR10, MNIST = "imagenet2012", "cifar10", "mnist"
SPLITS = {"val": ("validation", "val"), "test": ("test",)}  # names in data sets
VIEWS = {"single_crop": ", one crop", "ten_crop": ", ten crops", "dense": ", dense"}


class Paper(NamedTuple):
    """A paper.

    Attributes:
      authors: initials and surnames, separated by commas.
      year: year of its first appearance.
      title: title as printed.
      venue: place of publication, with the year if later than `year`.
      arxiv: arXiv number, or empty.
    """

    authors: str
    year: int
    title: str
    venue: str
    arxiv: str = ""

    def __str__(self) -> str:
        """Return the name by which it is cited: He et al. 2015."""
        return f"{self.cited_authors} {self.year}"

    @property
    def cited_authors(self) -> str:
        """One or two surnames, or the first with `et al.`"""
        first, *others = (author.split(" ")[-1] for author in self.authors.split(", "))
        match others:
            case []:
                return first
            case [second]:
                return f"{first} & {second}"
        return f"{first} et al."

    @property
    def source(self) -> str:
        """The citation with the arXiv number: He et al. 2015, arXiv:1512.03385."""
        return f"{self}, arXiv:{self.arxiv}" if self.arxiv else str(self)

    def at(self, place: str = "") -> "Place":
        """Return a place in this paper, or a reading of the paper in parentheses."""
        return Place(self, place)


class Place(NamedTuple):
    """A table, figure or section of a paper, or a reading of the paper in parentheses."""

    paper: Paper
    place: str

    def __str__(self) -> str:
        """Return paper and place: He et al. 2015, table 1."""
        separator = "" if not self.place else " " if self.place.startswith("(") else ", "
        return f"{self.paper}{separator}{self.place}"


# fmt: off
LECUN_1998 = Paper(
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner", 1998,
    "Gradient-based learning applied to document recognition", "Proceedings of the IEEE 86 (11)")
GLOROT_2010 = Paper(
    "X. Glorot, Y. Bengio", 2010,
    "Understanding the difficulty of training deep feedforward neural networks", "AISTATS 2010")
DUCHI_2011 = Paper(
    "J. Duchi, E. Hazan, Y. Singer", 2011,
    "Adaptive subgradient methods for online learning and stochastic optimization", "JMLR 12")
KRIZHEVSKY_2012 = Paper(
    "A. Krizhevsky, I. Sutskever, G. E. Hinton", 2012,
    "ImageNet classification with deep convolutional neural networks", "NIPS 2012")
TIELEMAN_2012 = Paper(
    "T. Tieleman, G. Hinton", 2012,
    "Lecture 6.5: RMSProp, divide the gradient by a running average of its recent magnitude",
    "Coursera, Neural networks for machine learning")
ZEILER_2013 = Paper(
    "M. D. Zeiler, R. Fergus", 2013,
    "Visualizing and understanding convolutional networks", "ECCV 2014", "1311.2901")
LIN_2013 = Paper(
    "M. Lin, Q. Chen, S. Yan", 2013, "Network in network", "ICLR 2014", "1312.4400")
KRIZHEVSKY_2014 = Paper(
    "A. Krizhevsky", 2014,
    "One weird trick for parallelizing convolutional neural networks", "arXiv", "1404.5997")
SIMONYAN_2014 = Paper(
    "K. Simonyan, A. Zisserman", 2014,
    "Very deep convolutional networks for large-scale image recognition", "ICLR 2015", "1409.1556")
SZEGEDY_2014 = Paper(
    "C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, "
    "A. Rabinovich", 2014,
    "Going deeper with convolutions", "CVPR 2015", "1409.4842")
KINGMA_2014 = Paper(
    "D. P. Kingma, J. Ba", 2014,
    "Adam: a method for stochastic optimization", "ICLR 2015", "1412.6980")
HE_2015_RECTIFIERS = Paper(
    "K. He, X. Zhang, S. Ren, J. Sun", 2015,
    "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    "ICCV 2015", "1502.01852")
IOFFE_2015 = Paper(
    "S. Ioffe, C. Szegedy", 2015,
    "Batch normalization: accelerating deep network training by reducing internal covariate shift",
    "ICML 2015", "1502.03167")
MARTENS_2015 = Paper(
    "J. Martens, R. Grosse", 2015,
    "Optimizing neural networks with Kronecker-factored approximate curvature",
    "ICML 2015", "1503.05671")
SZEGEDY_2015 = Paper(
    "C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna", 2015,
    "Rethinking the Inception architecture for computer vision", "CVPR 2016", "1512.00567")
HE_2015 = Paper(
    "K. He, X. Zhang, S. Ren, J. Sun", 2015,
    "Deep residual learning for image recognition", "CVPR 2016", "1512.03385")
HE_RELEASE = Paper(
    "K. He, X. Zhang, S. Ren, J. Sun", 2016,
    "Deep residual networks", "GitHub")
HE_2016 = Paper(
    "K. He, X. Zhang, S. Ren, J. Sun", 2016,
    "Identity mappings in deep residual networks", "ECCV 2016", "1603.05027")
GOYAL_2017 = Paper(
    "P. Goyal, P. Dollár, R. Girshick, P. Noordhuis, L. Wesolowski, A. Kyrola, A. Tulloch, Y. Jia, "
    "K. He", 2017,
    "Accurate, large minibatch SGD: training ImageNet in 1 hour", "arXiv", "1706.02677")
HUANG_2018 = Paper(
    "L. Huang, D. Yang, B. Lang, J. Deng", 2018,
    "Decorrelated batch normalization", "CVPR 2018", "1804.08450")
# fmt: on


class Published(NamedTuple):
    """A row of a paper's table; errors in percent, as printed.

    Attributes:
      label: label of the entry, in the paper's words.
      network: name of the network here, or None if the project lacks it.
      models: number of networks whose predictions were averaged.
      dataset: name of the data set here.
      split: `val` or `test`.
      protocol: name of the protocol in `evaluation`, otherwise the paper's words.
      top1: error in percent, or None if not printed.
      top5: likewise.
      where: table, figure or section.
      paper: source of the number.
      recipe: fields of a run's config with the values to which the number applies; None if no
        run is compared with it, because another row is the paper's main result.
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
    paper: Paper
    recipe: tuple[tuple[str, Any], ...] | None = None

    @property
    def source(self) -> str:
        """Return the paper with its arXiv number, and the place."""
        return f"{self.paper.source}, {self.where}"

    @property
    def cited(self) -> str:
        """Return paper and place, and for ImageNet the views that were averaged."""
        views = VIEWS.get(self.protocol, "") if self.dataset == IMAGENET else ""
        return f"{self.paper}, {self.where}{views}"


ANY = ()
SHORTCUT_A, SHORTCUT_B, SHORTCUT_C = ((("model.shortcut", option),) for option in "ABC")
ONE_SCALE = (("augmentation.vgg.scales", (256, 256)),)


def _rows(paper: Paper, dataset: str, *rows: tuple) -> list[Published]:
    """Return rows of (where, split, protocol, label, network, models, top1, top5[, recipe])."""
    return [
        Published(
            label, network, models, dataset, split, protocol, top1, top5, where, paper, *recipe
        )
        for where, split, protocol, label, network, models, top1, top5, *recipe in rows
    ]


RELEASE = "github.com/KaimingHe/deep-residual-networks, README"
# The lecture's version of a network, and the network whose printed error applies to its runs.
DRAWN_AFTER = {"lenet5": "lenet5_1998"}

PUBLISHED: list[Published] = [
    *_rows(LECUN_1998, MNIST,
        ("fig. 9", "test", "single_crop", "LeNet-5", "lenet5_1998", 1, 0.95, None, ANY)),
    *_rows(KRIZHEVSKY_2012, IMAGENET,
        ("table 2", "val", "ten_crop", "1 CNN", "alexnet_2012", 1, 40.7, 18.2, ANY),
        ("table 2", "val", "ten_crop", "5 CNNs", "alexnet_2012", 5, 38.1, 16.4),
        ("table 2", "val", "ten_crop", "1 CNN*, pre-trained on ImageNet 2011", None, 1, 39.0, 16.6),
        ("table 2", "val", "ten_crop", "7 CNNs*, two of them pre-trained", None, 7, 36.7, 15.4),
        ("table 2", "test", "ten_crop", "SIFT + FVs", None, 1, None, 26.2),
        ("table 2", "test", "ten_crop", "5 CNNs", "alexnet_2012", 5, None, 16.4),
        ("table 2", "test", "ten_crop", "7 CNNs*, two of them pre-trained", None, 7, None, 15.3)),
    *_rows(ZEILER_2013, IMAGENET,
        ("table 2", "val", "not stated", "replication of Krizhevsky et al., 1 convnet",
            "alexnet_2012", 1, 40.5, 18.1),
        ("table 2", "val", "not stated", "1 convnet as per fig. 3", "zfnet", 1, 38.4, 16.5, ANY),
        ("table 2", "val", "not stated", "5 convnets as per fig. 3 (a)", "zfnet", 5, 36.7, 15.3),
        ("table 2", "val", "not stated", "1 convnet, layers 3, 4, 5: 512, 1024, 512 maps (b)",
            "zfnet_b", 1, 37.5, 16.0),
        ("table 2", "val", "not stated", "6 convnets, (a) and (b)", None, 6, 36.0, 14.7),
        ("table 2", "test", "not stated", "5 convnets as per fig. 3 (a)", "zfnet", 5, None, 15.3),
        ("table 2", "test", "not stated", "1 convnet, layers 3, 4, 5: 512, 1024, 512 maps (b)",
            "zfnet_b", 1, None, 16.1),
        ("table 2", "test", "not stated", "6 convnets, (a) and (b)", None, 6, None, 14.8)),
    *_rows(SIMONYAN_2014, IMAGENET,
        ("table 3, S = Q = 256", "val", "dense", "VGG-A", "vgg11", 1, 29.6, 10.4, ONE_SCALE),
        ("table 3, S = Q = 256", "val", "dense", "VGG-A-LRN",
            "vgg11_lrn", 1, 29.7, 10.5, ONE_SCALE),
        ("table 3, S = Q = 256", "val", "dense", "VGG-B", "vgg13", 1, 28.7, 9.9, ONE_SCALE),
        ("table 3, S = Q = 256", "val", "dense", "VGG-C", "vgg16_c", 1, 28.1, 9.4, ONE_SCALE),
        ("table 3, S = Q = 256", "val", "dense", "VGG-D", "vgg16", 1, 27.0, 8.8, ONE_SCALE),
        ("table 3, S = Q = 256", "val", "dense", "VGG-E", "vgg19", 1, 27.3, 9.0, ONE_SCALE),
        ("table 3, S in [256, 512], Q = 384", "val", "dense", "VGG-C", "vgg16_c", 1, 27.3, 8.8),
        ("table 3, S in [256, 512], Q = 384", "val", "dense", "VGG-D", "vgg16", 1, 25.6, 8.1),
        ("table 3, S in [256, 512], Q = 384", "val", "dense", "VGG-E", "vgg19", 1, 25.5, 8.0),
        ("table 4, S in [256, 512]", "val", "multi_scale_dense", "VGG-C", "vgg16_c", 1, 26.3, 8.2),
        ("table 4, S in [256, 512]", "val", "multi_scale_dense", "VGG-D", "vgg16", 1, 24.8, 7.5),
        ("table 4, S in [256, 512]", "val", "multi_scale_dense", "VGG-E", "vgg19", 1, 24.8, 7.5),
        ("table 5", "val", "crops150", "VGG-D", "vgg16", 1, 24.6, 7.5),
        ("table 5", "val", "crops150", "VGG-E", "vgg19", 1, 24.6, 7.4),
        ("table 5", "val", "multi_crop_and_dense", "VGG-D", "vgg16", 1, 24.4, 7.2),
        ("table 5", "val", "multi_crop_and_dense", "VGG-E", "vgg19", 1, 24.4, 7.1),
        ("table 6", "val", "multi_scale_dense", "ILSVRC submission, 7 nets", None, 7, 24.7, 7.5),
        ("table 6", "val", "multi_scale_dense", "D and E", None, 2, 24.0, 7.1),
        ("table 6", "val", "crops150", "D and E", None, 2, 23.9, 7.2),
        ("table 6", "val", "multi_crop_and_dense", "D and E", None, 2, 23.7, 6.8),
        ("table 6", "test", "multi_scale_dense", "ILSVRC submission, 7 nets", None, 7, None, 7.3),
        ("table 6", "test", "multi_scale_dense", "D and E", None, 2, None, 7.0),
        ("table 6", "test", "multi_crop_and_dense", "D and E", None, 2, None, 6.8),
        ("table 7", "test", "multi_crop_and_dense", "VGG-E, 1 net", "vgg19", 1, None, 7.0),
        ("table 7", "test", "several networks", "Clarifai, ILSVRC-2013, no outside data",
            None, 0, None, 11.7),
        ("table 7", "test", "several networks", "Clarifai, 1 net", None, 1, None, 12.5)),
    *_rows(SZEGEDY_2014, IMAGENET,
        ("table 3", "val", "single_crop", "GoogLeNet, 1 model", "googlenet", 1, None, 10.07),
        ("table 3", "val", "single_crop", "GoogLeNet, 7 models", "googlenet", 7, None, 8.09),
        ("table 3", "val", "ten_crop", "GoogLeNet, 1 model", "googlenet", 1, None, 9.15),
        ("table 3", "val", "ten_crop", "GoogLeNet, 7 models", "googlenet", 7, None, 7.62),
        ("table 3", "val", "crops144", "GoogLeNet, 1 model", "googlenet", 1, None, 7.89),
        ("table 3", "val", "crops144", "GoogLeNet, 7 models", "googlenet", 7, None, 6.67),
        ("table 2", "test", "crops144", "GoogLeNet, 7 models", "googlenet", 7, None, 6.67),
        ("table 2", "test", "several networks", "Clarifai, with ImageNet 22k",
            None, 0, None, 11.2)),
    *_rows(IOFFE_2015, IMAGENET,
        ("fig. 4", "val", "single_crop", "BN-Inception single crop",
            "bn_inception", 1, 25.2, 7.82, ANY),
        ("fig. 4", "val", "crops144", "BN-Inception multicrop", "bn_inception", 1, 21.99, 5.82),
        ("fig. 4", "val", "crops144", "BN-Inception ensemble", "bn_inception", 6, 20.1, 4.9),
        ("sec. 4.2.3", "test", "crops144", "BN-Inception ensemble", "bn_inception", 6, None, 4.82)),
    *_rows(SZEGEDY_2015, IMAGENET,
        ("table 3", "val", "single_crop", "Inception-v3", "inception_v3", 1, 21.2, 5.6, ANY),
        ("table 4", "val", "crops144", "Inception-v3", "inception_v3", 1, 18.77, 4.2),
        ("abstract", "val", "crops144", "Inception-v3, 4 models", "inception_v3", 4, 17.3, 3.5),
        ("abstract", "test", "crops144", "Inception-v3, 4 models", "inception_v3", 4, None, 3.6)),
    *_rows(HE_2015, IMAGENET,
        ("tables 2 and 3", "val", "ten_crop", "VGG-16 (their test)", "vgg16", 1, 28.07, 9.33),
        ("tables 2 and 3", "val", "ten_crop", "PReLU-net", None, 1, 24.27, 7.38),
        ("tables 2 and 3", "val", "ten_crop", "plain-18", "plain18", 1, 27.94, None, ANY),
        ("tables 2 and 3", "val", "ten_crop", "plain-34", "plain34", 1, 28.54, 10.02, ANY),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-18 A",
            "resnet18", 1, 27.88, None, SHORTCUT_A),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-34 A",
            "resnet34", 1, 25.03, 7.76, SHORTCUT_A),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-34 B",
            "resnet34", 1, 24.52, 7.46, SHORTCUT_B),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-50", "resnet50", 1, 22.85, 6.71, SHORTCUT_B),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-101",
            "resnet101", 1, 21.75, 6.05, SHORTCUT_B),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-152",
            "resnet152", 1, 21.43, 5.71, SHORTCUT_B),
        ("tables 2 and 3", "val", "ten_crop", "ResNet-34 C",
            "resnet34", 1, 24.19, 7.40, SHORTCUT_C),
        ("table 4", "val", "multi_scale_dense", "PReLU-net", None, 1, 21.59, 5.71),
        ("table 4", "val", "multi_scale_dense", "ResNet-34 B", "resnet34", 1, 21.84, 5.71),
        ("table 4", "val", "multi_scale_dense", "ResNet-34 C", "resnet34", 1, 21.53, 5.60),
        ("table 4", "val", "multi_scale_dense", "ResNet-50", "resnet50", 1, 20.74, 5.25),
        ("table 4", "val", "multi_scale_dense", "ResNet-101", "resnet101", 1, 19.87, 4.60),
        ("table 4", "val", "multi_scale_dense", "ResNet-152", "resnet152", 1, 19.38, 4.49),
        ("table 5", "test", "multi_scale_dense", "PReLU-net", None, 0, None, 4.94),
        ("table 5", "test", "multi_scale_dense", "ResNet, ILSVRC'15", None, 6, None, 3.57)),
    *_rows(HE_RELEASE, IMAGENET,
        (RELEASE, "val", "single_crop", "ResNet-50", "resnet50", 1, 24.7, 7.8),
        (RELEASE, "val", "single_crop", "ResNet-101", "resnet101", 1, 23.6, 7.1),
        (RELEASE, "val", "single_crop", "ResNet-152", "resnet152", 1, 23.0, 6.7),
        (RELEASE, "val", "single_crop", "VGG-16", "vgg16", 1, 28.5, 9.9)),
    *_rows(LIN_2013, CIFAR10,
        ("table 1", "test", "single_crop", "NIN + Dropout + Data Augmentation",
            "nin", 1, 8.81, None, (("augmentation.name", "pad_crop_flip"),))),
    *_rows(HE_2015, CIFAR10,
        ("table 6", "test", "single_crop", "ResNet-20", "resnet20", 1, 8.75, None, SHORTCUT_A),
        ("table 6", "test", "single_crop", "ResNet-32", "resnet32", 1, 7.51, None, SHORTCUT_A),
        ("table 6", "test", "single_crop", "ResNet-44", "resnet44", 1, 7.17, None, SHORTCUT_A),
        ("table 6", "test", "single_crop", "ResNet-56", "resnet56", 1, 6.97, None, SHORTCUT_A),
        ("table 6", "test", "single_crop", "ResNet-110, best of 5",
            "resnet110", 1, 6.43, None, SHORTCUT_A),
        ("table 6", "test", "single_crop", "ResNet-1202", "resnet1202", 1, 7.93, None, SHORTCUT_A)),
    *_rows(HE_2016, CIFAR10,
        ("table 3", "test", "single_crop", "ResNet-110, pre-activation unit",
            "preact_resnet110", 1, 6.37, None, ANY),
        ("table 3", "test", "single_crop", "ResNet-164, pre-activation unit",
            "preact_resnet164", 1, 5.46, None, ANY),
        ("table 3", "test", "single_crop", "ResNet-1001, pre-activation unit",
            "preact_resnet1001", 1, 4.92, None, ANY)),
    *_rows(HE_2016, IMAGENET,
        ("table 5", "val", "single crop of 320", "ResNet-152, pre-act",
            "resnet152_v2", 1, 21.1, 5.5)),
    *_rows(GOYAL_2017, IMAGENET,
        ("table 1", "val", "single_crop", "ResNet-50, batch 256",
            "resnet50_v1_5", 1, 23.60, None, (("batch_size", 256),)),
        ("table 1", "val", "single_crop", "ResNet-50, batch 8k",
            "resnet50_v1_5", 1, 23.74, None, (("batch_size", 8192),))),
]  # fmt: skip


def reported(recipe: Mapping[str, Any]) -> Published | None:
    """Return the printed result to compare a run with, or None.

    Papers use whole data sets, so a run on a part of one, such as `train[:160]`, has none.

    Args:
      recipe: the run's config, nested by field. Used are `model.name`, `dataset`, `train_split`,
        `test_split` and the fields in the recipes of the rows.
    """
    train_split, network = _field(recipe, "train_split"), _field(recipe, "model.name")
    if train_split is None or "[" in train_split:
        return None
    measured = (DRAWN_AFTER.get(network, network), recipe["dataset"])
    for row in PUBLISHED:
        if (
            row.recipe is not None
            and (row.network, row.dataset) == measured
            and recipe["test_split"] in SPLITS[row.split]
            and all(_field(recipe, name) == value for name, value in row.recipe)
        ):
            return row
    return None


def _field(recipe: Mapping[str, Any], name: str) -> Any:
    """Return a field by its dotted name, or None; lists, as in JSON, become tuples."""
    value = recipe
    for part in name.split("."):
        if part not in value:
            return None
        value = value[part]
    return tuple(value) if isinstance(value, list) else value


def beside(networks: Sequence[str], dataset: str, classes: int, protocol: str) -> list[Published]:
    """Return the printed results that compare with an evaluation of a network or ensemble.

    A `folder` of 1,000 classes counts as ImageNet.

    Args:
      networks: networks of the ensemble; for different networks there are no rows.
      dataset: data set of the evaluation.
      classes: number of its classes.
      protocol: protocol of the evaluation.
    """
    if len(set(networks)) > 1:
        return []
    if (dataset, classes) == ("folder", 1000):
        dataset = IMAGENET
    measured = (networks[0], len(networks), dataset, protocol)
    return [
        row for row in PUBLISHED if (row.network, row.models, row.dataset, row.protocol) == measured
    ]
