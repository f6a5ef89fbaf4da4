"""The networks: paper by paper, each with its drawing, its budget and its account."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from cnn_history import models, papers
from cnn_history.accounting import Account
from cnn_history.accounting.structure import Branches, Repeat, Series, Step, architecture
from cnn_history.papers import Paper, Published
from cnn_history.reporting.page import drawing

BUDGETS = ("parameters", "macs", "activations")
PRINTED = ("dataset", "split", "protocol", "top1", "top5", "label")


class Section(NamedTuple):
    """A paper as the page shows it.

    Attributes:
      paper: that the networks below come from.
      new: what was new, a sentence each.
      first: the network that is shown open.
    """

    paper: Paper
    new: tuple[str, ...]
    first: str


SECTIONS = (
    Section(papers.LECUN_1998,
          ("Convolution and subsampling in turn, trained end to end on digits.",
           "Layer C3 reads only some of the maps before it; subsampling is trained; the output "
           "measures the distance to drawn codes."), "lenet5_1998"),
    Section(papers.KRIZHEVSKY_2012,
          ("A network of this kind on a million photographs, trained on two GPUs.",
           "ReLU, local response normalization, overlapping pooling, dropout, augmentation."),
          "alexnet_2012"),
    Section(papers.ZEILER_2013,
          ("What the layers see, made visible by a deconvolutional network.",
           "AlexNet's first layer mended by it: 7x7 at stride 2 for 11x11 at stride 4."), "zfnet"),
    Section(papers.LIN_2013,
          ("Small networks slid over the image: 1x1 convolutions behind each larger one.",
           "A global average in the place of the fully-connected layers."), "nin"),
    Section(papers.KRIZHEVSKY_2014,
          ("AlexNet without groups and response normalization; the one that torchvision has.",),
          "alexnet_owt"),
    Section(papers.SIMONYAN_2014,
          ("Depth alone: stacks of 3x3 convolutions, 11 to 19 layers with weights.",
           "Two of them see 5x5, three see 7x7, with fewer weights and more non-linearity."),
          "vgg16"),
    Section(papers.SZEGEDY_2014,
          ("Inception: filters of several sizes side by side, made cheap by 1x1 bottlenecks.",
           "A global average in the place of large fully-connected layers; auxiliary classifiers."),
          "googlenet"),
    Section(papers.IOFFE_2015,
          ("Every layer's input standardized over the batch, then scaled and shifted.",
           "Inception with it, and two 3x3 in the place of each 5x5."), "bn_inception"),
    Section(papers.SZEGEDY_2015,
          ("Convolutions factorized, 7x7 into 1x7 and 7x1; smaller grids without a bottleneck.",
           "Label smoothing."), "inception_v3"),
    Section(papers.HE_2015,
          ("Each block adds to what it was given, so that depth no longer hurts: 152 layers.",
           "Plain networks of the same shape get worse as they get deeper."), "resnet50"),
    Section(papers.HE_2016,
          ("Normalization and ReLU before the weights: the shortcut is the identity all the way.",
           "1,001 layers on CIFAR-10."), "resnet50_v2"),
)  # fmt: skip


class Share(NamedTuple):
    """What a piece of a network has of its budgets.

    Attributes:
      name: of the piece.
      amounts: parameters, multiply-adds and activations.
      fractions: of the network's.
    """

    name: str
    amounts: list[int]
    fractions: list[float]


class ShownNetwork(NamedTuple):
    """A network as the page shows it.

    Attributes:
      account: its totals.
      drawing: SVG.
      budget: along the depth.
      rows: (times, step) of the account; a step that repeats stands once.
      published: what papers report of one such network.
      best: the lowest error of those: top-5 where one was printed, else top-1.
    """

    account: Account
    drawing: Markup
    budget: list[Share]
    rows: list[tuple[int, Step]]
    published: list[Published]
    best: Published | None


def sections() -> list[tuple[Section, list[ShownNetwork]]]:
    """Return the papers in order of time, each with its networks."""
    found = {section.paper: (section, []) for section in SECTIONS}
    for name in models.NETWORKS:
        paper = models.info(name).source.paper
        _, networks = found.setdefault(paper, (Section(paper, (), name), []))
        networks.append(_network(name))
    shown = [(section, networks) for section, networks in found.values() if networks]
    return sorted(shown, key=lambda it: it[0].paper.year)


@functools.cache
def _network(name: str) -> ShownNetwork:
    account, series = architecture(name)
    published = [row for row in papers.PUBLISHED if (row.network, row.models) == (name, 1)]
    return ShownNetwork(
        account,
        drawing.architecture(account, series),
        [_share(account, piece) for piece in series],
        list(repeated(series)),
        published,
        min(published, key=_lowest, default=None),
    )


def _lowest(row: Published) -> tuple[bool, float]:
    return row.top5 is None, row.top1 if row.top5 is None else row.top5


def repeated(series: Series, times: int = 1) -> Iterator[tuple[int, Step]]:
    """Yield each drawn step with the number of times that the network has it."""
    for piece in series:
        match piece:
            case Step():
                yield times, piece
            case Branches(branches):
                for branch in branches:
                    yield from repeated(branch, times)
            case Repeat(again, pieces):
                yield from repeated(pieces, times * again)


def _share(account: Account, piece: Step | Branches | Repeat) -> Share:
    layers = [
        (times, layer)
        for times, step in repeated((piece,))
        for layer in (step.layer, step.norm)
        if layer
    ]
    amounts = [sum(times * getattr(layer, what) for times, layer in layers) for what in BUDGETS]
    totals = [getattr(account, what) for what in BUDGETS]
    return Share(
        drawing.name(piece), amounts, [a / b for a, b in zip(amounts, totals, strict=True)]
    )


def plot(shown: list[tuple[Section, list[ShownNetwork]]]) -> list[dict]:
    """Return the points of accuracy against cost: what papers report of single networks."""
    return [
        {"network": network.account.model, "paper": str(section.paper), "source": row.source}
        | {what: getattr(network.account, what) for what in ("macs", "parameters", "depth")}
        | {what: getattr(row, what) for what in PRINTED}
        for section, networks in shown
        for network in networks
        for row in network.published
    ]
