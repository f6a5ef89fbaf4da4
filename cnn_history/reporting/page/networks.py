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
      paper: source of the networks below.
      new: the paper's contributions, a sentence each.
      first: the network shown unfolded.
    """

    paper: Paper
    new: tuple[str, ...]
    first: str


SECTIONS = (
    Section(papers.LECUN_1998,
          ("Convolution and subsampling in turn, trained end to end on digits.",
           "Layer C3 reads only some of the maps; subsampling has trained parameters; the output "
           "is the distance to drawn codes."), "lenet5_1998"),
    Section(papers.KRIZHEVSKY_2012,
          ("A network of this kind on a million photographs, trained on two GPUs.",
           "ReLU, local response normalization, overlapping pooling, dropout, augmentation."),
          "alexnet_2012"),
    Section(papers.ZEILER_2013,
          ("A deconvolutional network shows what the layers respond to.",
           "A better first layer for AlexNet: 7x7 at stride 2 instead of 11x11 at stride 4."),
          "zfnet"),
    Section(papers.LIN_2013,
          ("Small networks slide over the image: 1x1 convolutions after each larger one.",
           "A global average instead of fully-connected layers."), "nin"),
    Section(papers.KRIZHEVSKY_2014,
          ("AlexNet without groups and response normalization, as in torchvision.",),
          "alexnet_owt"),
    Section(papers.SIMONYAN_2014,
          ("Depth alone: stacks of 3x3 convolutions, 11 to 19 layers with weights.",
           "Two of them see 5x5, three see 7x7, with fewer weights and more non-linearity."),
          "vgg16"),
    Section(papers.SZEGEDY_2014,
          ("Inception: filters of several sizes side by side, made cheap by 1x1 bottlenecks.",
           "A global average instead of large fully-connected layers; auxiliary classifiers."),
          "googlenet"),
    Section(papers.IOFFE_2015,
          ("Every layer's input standardized over the batch, then scaled and shifted.",
           "Inception with it, and with two 3x3 instead of each 5x5."), "bn_inception"),
    Section(papers.SZEGEDY_2015,
          ("Convolutions factorized, 7x7 into 1x7 and 7x1; smaller grids without a bottleneck.",
           "Label smoothing."), "inception_v3"),
    Section(papers.HE_2015,
          ("Each block adds to its input, so that depth no longer hurts: 152 layers.",
           "Plain networks of the same shape get worse as they get deeper."), "resnet50"),
    Section(papers.HE_2016,
          ("Normalization and ReLU before the weights: the shortcut is the identity all the way.",
           "1,001 layers on CIFAR-10."), "resnet50_v2"),
)  # fmt: skip


class Share(NamedTuple):
    """The share of a piece in the network's budgets.

    Attributes:
      name: name of the piece.
      amounts: parameters, multiply-adds and activations.
      fractions: the same as fractions of the network's.
    """

    name: str
    amounts: list[int]
    fractions: list[float]


class ShownNetwork(NamedTuple):
    """A network as the page shows it.

    Attributes:
      account: its totals.
      drawing: SVG.
      budget: shares of its pieces, by depth.
      rows: (times, step) of the account, with repeated steps once.
      published: printed results of a single such network.
      best: the printed result with the lowest error, by top-5 if printed, otherwise by top-1.
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
    """Yield (number of occurrences in the network, step) for each drawn step."""
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
    """Return the points of error against cost, for the printed results of single networks."""
    return [
        {"network": network.account.model, "paper": str(section.paper), "source": row.source}
        | {what: getattr(network.account, what) for what in ("macs", "parameters", "depth")}
        | {what: getattr(row, what) for what in PRINTED}
        for section, networks in shown
        for network in networks
        for row in network.published
    ]
