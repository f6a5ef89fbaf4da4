"""The architecture of a network as a drawing needs it: series, branches, repetitions.

It is derived from the graph of the traced network. All networks here are series-parallel: what
forks at one place meets again at one place.
"""

import dataclasses
import itertools
from collections import defaultdict

from cnn_history import models
from cnn_history.accounting.account import Account, Layer, rows
from cnn_history.accounting.graph import INPUT, Node, graph
from cnn_history.accounting.tracing import Traced, traced_layers

LONGEST_PERIOD = 4  # pieces that repeat together, such as convolution, norm, convolution, norm
WORTH_A_MARK = 2  # layers that a repetition mark must save


@dataclasses.dataclass(frozen=True)
class Step:
    """A layer, with the normalization that directly follows it, if one does."""

    layer: Layer
    norm: Layer | None = None


@dataclasses.dataclass(frozen=True)
class Branches:
    """What lies between a fork and the place where its branches meet.

    Attributes:
      branches: series; an empty one is a shortcut without layers.
      meeting: `add` or `concatenate`; None where an outer fork's meeting is this one's too.
      output: shape behind the meeting.
    """

    branches: tuple[tuple, ...]
    meeting: str | None
    output: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Repeat:
    """Pieces that follow each other several times, alike in everything but their names."""

    times: int
    pieces: tuple
    last: tuple  # the pieces of the last time, whose names tell how far it goes


Series = tuple[Step | Branches | Repeat, ...]


def architecture(model: str, **options) -> tuple[Account, Series]:
    """Return account and structure of the network `model` on images of its paper's size."""
    info = models.info(model)
    traced = traced_layers(models.create(model, **options), info.input)
    depth, layers = rows(traced)
    account = Account(model, str(info.source), info.input, depth, tuple(layers))
    return account, structure(traced, layers)


def structure(traced: Traced, layers: list[Layer]) -> Series:
    """Return the structure of a traced network, given its layers in the order of its calls."""
    found = dict(zip(traced.calls, layers, strict=True))
    nodes = graph(traced)
    readers = defaultdict(list)
    for name, node in nodes.items():
        for source in node.sources:
            readers[source].append(name)
    meetings = _meetings(nodes, readers)

    def series(name: str, stop: str | None) -> Series:
        pieces = []
        while name != stop:
            if name in found:
                pieces.append(Step(found[name]))
            following = readers[name]
            if not following:
                break
            if len(following) == 1:
                (name,) = following
                continue
            meeting = meetings[name]
            branches = tuple(series(reader, meeting) for reader in following)
            node = nodes[meeting]
            inner = meeting != stop
            pieces.append(Branches(branches, node.operation if inner else None, node.shape))
            name = meeting
        return _repeated(_with_norms(pieces))

    return series(INPUT, None)


def _meetings(nodes: dict[str, Node], readers: dict[str, list[str]]) -> dict[str, str]:
    """Return for each node the nearest one that every way on from it passes."""
    order = {name: i for i, name in enumerate([INPUT, *nodes])}
    nearest = {}
    for name in reversed(order):
        way = None
        for reader in readers[name]:
            way = reader if way is None else way
            other = reader
            while way != other:
                if order[way] < order[other]:
                    way = nearest[way]
                else:
                    other = nearest[other]
        if way is not None:
            nearest[name] = way
    return nearest


def _with_norms(pieces: list) -> list:
    """Join each normalization to the layer with weights before it."""
    joined = []
    for piece in pieces:
        if isinstance(piece, Step) and piece.layer.norm and joined:
            before = joined[-1]
            if isinstance(before, Step) and before.layer.weights and before.norm is None:
                joined[-1] = Step(before.layer, piece.layer)
                continue
        joined.append(piece)
    return joined


def _repeated(pieces: list) -> Series:
    """Replace runs of alike pieces by a repetition mark."""
    signs = [_sign(piece) for piece in pieces]
    found, i = [], 0
    while i < len(pieces):
        best = (0, 0, 1)  # layers saved, -period, times
        for period in range(1, LONGEST_PERIOD + 1):
            unit = signs[i : i + period]
            times = 1
            while signs[i + times * period : i + (times + 1) * period] == unit:
                times += 1
            saved = (times - 1) * sum(_count(piece) for piece in pieces[i : i + period])
            best = max(best, (saved, -period, times))
        saved, period, times = best[0], -best[1], best[2]
        if saved >= WORTH_A_MARK:
            end = i + times * period
            found.append(
                Repeat(times, tuple(pieces[i : i + period]), tuple(pieces[end - period : end]))
            )
            i = end
        else:
            found.append(pieces[i])
            i += 1
    return tuple(found)


def _sign(piece):
    """Return what must be equal for two pieces to be alike."""
    match piece:
        case Step(layer, norm):
            alike = dataclasses.replace(layer, name="", receptive_field=0)
            return alike, norm is None
        case Branches(branches, meeting, output):
            return tuple(tuple(map(_sign, b)) for b in branches), meeting, output
        case Repeat(times, inside, _):
            return times, tuple(map(_sign, inside))


def _count(piece) -> int:
    return sum(1 for _ in steps((piece,)))


def steps(series: Series):
    """Yield the drawn steps of a series, each once, in order."""
    for piece in series:
        match piece:
            case Step():
                yield piece
            case Branches(branches):
                yield from itertools.chain.from_iterable(map(steps, branches))
            case Repeat(_, inside):
                yield from steps(inside)
