"""The years of the challenge, and the ideas in their order.

A year appears only where a paper that was read prints its number: the first is 2012.
"""

import dataclasses

from cnn_history import literature
from cnn_history.literature import Published


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a row of the chart shows.

    Attributes:
      year: of the challenge, or of the paper.
      name: of the entry.
      role: won, second, or why else it stands here.
      network: the deepest in it that is one of ours, or None.
      published: error and source.
      note: what has to be known of it.
    """

    year: int
    name: str
    role: str
    network: str | None
    published: Published
    note: str = ""


def _row(source: str, label: str, split: str = "test") -> Published:
    """Return the one row of the papers' numbers that has this label."""
    (row,) = (
        row
        for row in literature.PUBLISHED
        if (row.source, row.label, row.split) == (source, label, split)
    )
    return row


ENTRIES = (
    Entry(2012, "SIFT + Fisher vectors", "second", None,
          _row(literature.KRIZHEVSKY_2012, "SIFT + FVs"),
          "The best without a convolutional network."),
    Entry(2012, "AlexNet", "won", "alexnet_2012",
          _row(literature.KRIZHEVSKY_2012, "7 CNNs*, two of them pre-trained"),
          "Seven networks, two of them pre-trained on more images; 16.4 % with five that were not, "
          "and that is the number the lecture gives."),
    Entry(2013, "Clarifai", "won", None,
          _row(literature.SIMONYAN_2014, "Clarifai, ILSVRC-2013, no outside data"),
          "M. Zeiler's company, several networks whose depth no paper here prints. The lecture "
          "gives its error as ZFNet's."),
    Entry(2013, "ZFNet", "as published", "zfnet",
          _row(literature.ZEILER_2013, "6 convnets, (a) and (b)"),
          "What the paper itself reports: 14.8 % with six networks, not 11.7 %."),
    Entry(2014, "VGG", "second", "vgg19",
          _row(literature.SIMONYAN_2014, "ILSVRC submission, 7 nets"),
          "6.8 % with two networks after the challenge."),
    Entry(2014, "GoogLeNet", "won", "googlenet",
          _row(literature.SZEGEDY_2014, "GoogLeNet, 7 models"),
          "Seven networks, 144 crops of each image."),
    Entry(2015, "ResNet", "won", "resnet152",
          _row(literature.HE_2015, "ResNet, ILSVRC'15"),
          "Six networks of different depth, 152 layers at most."),
)  # fmt: skip

IDEAS = (
    (1998, "Convolution and subsampling, trained end to end", "LeCun et al.", "lenet5_1998"),
    (1998, "A learning rate for each weight from its curvature", "LeCun et al.", None),
    (2010, "Initialization that keeps the variance: Xavier", "Glorot & Bengio", None),
    (2011, "Adaptive steps from the gradients' history: AdaGrad", "Duchi et al.", None),
    (2012, "RMSProp: a history that forgets", "Tieleman & Hinton", None),
    (2012, "ReLU, dropout, response normalization, GPUs", "Krizhevsky et al.", "alexnet_2012"),
    (2013, "Looking into the network: a finer first layer", "Zeiler & Fergus", "zfnet"),
    (2014, "Only 3x3, and deeper", "Simonyan & Zisserman", "vgg16"),
    (2014, "Inception: parallel filters behind 1x1 bottlenecks", "Szegedy et al.", "googlenet"),
    (2014, "Adam: momentum and scale, both corrected for their start", "Kingma & Ba", None),
    (2015, "Initialization for ReLU", "He et al.", None),
    (2015, "Batch normalization", "Ioffe & Szegedy", "bn_inception"),
    (2015, "K-FAC: curvature in Kronecker factors", "Martens & Grosse", None),
    (2015, "Factorized convolutions, label smoothing", "Szegedy et al.", "inception_v3"),
    (2015, "Shortcuts around every block: ResNet", "He et al.", "resnet152"),
    (2016, "Normalization and activation before the weights", "He et al.", "preact_resnet1001"),
    (2018, "Whitening the batch: decorrelated batch normalization", "Huang et al.", None),
)  # fmt: skip
