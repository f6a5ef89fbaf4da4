"""The years of the ImageNet challenge, and the ideas in order of time.

A year appears only if one of the papers here prints its number; the first is 2012.
"""

from typing import NamedTuple

from cnn_history import papers
from cnn_history.papers import Paper, Published


class Entry(NamedTuple):
    """A row of the chart.

    Attributes:
      year: year of the challenge, or of the paper.
      name: name of the entry.
      role: place in the challenge, or another reason to list it.
      network: its deepest network that the project has, or None.
      published: error and source.
      note: a remark for readers.
    """

    year: int
    name: str
    role: str
    network: str | None
    published: Published
    note: str = ""


def _row(paper: Paper, label: str) -> Published:
    """Return the one row of papers.PUBLISHED with this label and a test error."""
    wanted = paper, label, "test"
    (row,) = (r for r in papers.PUBLISHED if (r.paper, r.label, r.split) == wanted)
    return row


ENTRIES = (
    Entry(2012, "SIFT + Fisher vectors", "second", None,
          _row(papers.KRIZHEVSKY_2012, "SIFT + FVs"),
          "The best entry without a convolutional network."),
    Entry(2012, "AlexNet", "won", "alexnet_2012",
          _row(papers.KRIZHEVSKY_2012, "7 CNNs*, two of them pre-trained"),
          "Seven networks, two of them pre-trained on more images. Five without pre-training have "
          "16.4 %, the lecture's number."),
    Entry(2013, "Clarifai", "won", None,
          _row(papers.SIMONYAN_2014, "Clarifai, ILSVRC-2013, no outside data"),
          "M. Zeiler's company; several networks, whose depth no paper here prints. The lecture "
          "attributes its error to ZFNet."),
    Entry(2013, "ZFNet", "as published", "zfnet",
          _row(papers.ZEILER_2013, "6 convnets, (a) and (b)"),
          "The paper's own result: 14.8 % with six networks, not 11.7 %."),
    Entry(2014, "VGG", "second", "vgg19",
          _row(papers.SIMONYAN_2014, "ILSVRC submission, 7 nets"),
          "6.8 % with two networks after the challenge."),
    Entry(2014, "GoogLeNet", "won", "googlenet",
          _row(papers.SZEGEDY_2014, "GoogLeNet, 7 models"),
          "Seven networks, 144 crops of each image."),
    Entry(2015, "ResNet", "won", "resnet152",
          _row(papers.HE_2015, "ResNet, ILSVRC'15"),
          "Six networks of different depths, up to 152 layers."),
)  # fmt: skip

IDEAS = (
    (papers.LECUN_1998, "Convolution and subsampling, trained end to end", "lenet5_1998"),
    (papers.LECUN_1998, "A learning rate for each weight from its curvature", None),
    (papers.GLOROT_2010, "Initialization that keeps the variance: Xavier", None),
    (papers.DUCHI_2011, "Adaptive steps from the gradients' history: AdaGrad", None),
    (papers.TIELEMAN_2012, "RMSProp: a history that forgets", None),
    (papers.KRIZHEVSKY_2012, "ReLU, dropout, response normalization, GPUs", "alexnet_2012"),
    (papers.ZEILER_2013, "Looking into the network: a finer first layer", "zfnet"),
    (papers.SIMONYAN_2014, "Only 3x3, and deeper", "vgg16"),
    (papers.SZEGEDY_2014, "Inception: parallel filters behind 1x1 bottlenecks", "googlenet"),
    (papers.KINGMA_2014, "Adam: momentum and scale, both corrected for their start", None),
    (papers.HE_2015_RECTIFIERS, "Initialization for ReLU", None),
    (papers.IOFFE_2015, "Batch normalization", "bn_inception"),
    (papers.MARTENS_2015, "K-FAC: curvature in Kronecker factors", None),
    (papers.SZEGEDY_2015, "Factorized convolutions, label smoothing", "inception_v3"),
    (papers.HE_2015, "Shortcuts around every block: ResNet", "resnet152"),
    (papers.HE_2016, "Normalization and activation before the weights", "preact_resnet1001"),
    (papers.HUANG_2018, "Whitening the batch: decorrelated batch normalization", None),
)  # fmt: skip
