"""The networks: paper by paper, each with its drawing, its budget and its account."""

import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Share:
    """What a piece of a network has of its budgets.

    Attributes:
      name: of the piece.
      output: (h, w, c) behind it.
      amounts: parameters, multiply-adds and activations.
      fractions: of the network's.
    """

    name: str
    output: tuple[int, int, int]
    amounts: tuple[int, ...]
    fractions: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ShownNetwork:
    """A network as the page shows it.

    Attributes:
      account: its totals.
      drawing: SVG.
      budget: along the depth.
      rows: (times, step) of the account; a step that repeats stands once.
      published: what papers report of one such network.
    """

    account: Account
    drawing: Markup
    budget: list[Share]
    rows: list[tuple[int, Step]]
    published: list[Published]

    @property
    def best(self) -> Published | None:
        """The lowest error that was published: top-5 where one was printed, else top-1."""
        top5 = [row for row in self.published if row.top5 is not None]
        if top5:
            return min(top5, key=lambda row: row.top5)
        return min(self.published, key=lambda row: row.top1, default=None)


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
        account=account,
        drawing=drawing.architecture(account, series),
        budget=[_share(account, piece) for piece in series],
        rows=list(repeated(series)),
        published=published,
    )


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
    rows = list(repeated((piece,)))
    amounts = tuple(
        sum(
            times * (getattr(step.layer, what) + (getattr(step.norm, what) if step.norm else 0))
            for times, step in rows
        )
        for what in BUDGETS
    )
    fractions = tuple(
        amount / getattr(account, what) for amount, what in zip(amounts, BUDGETS, strict=True)
    )
    return Share(drawing.name(piece), drawing.output(piece), amounts, fractions)


def plot(shown: list[tuple[Section, list[ShownNetwork]]]) -> list[dict]:
    """Return the points of accuracy against cost: what papers report of single networks."""
    return [
        {
            "network": network.account.model,
            "paper": str(section.paper),
            "macs": network.account.macs,
            "parameters": network.account.parameters,
            "depth": network.account.depth,
            "dataset": row.dataset,
            "split": row.split,
            "protocol": row.protocol,
            "top1": row.top1,
            "top5": row.top5,
            "source": row.source,
            "label": row.label,
        }
        for section, networks in shown
        for network in networks
        for row in network.published
    ]
