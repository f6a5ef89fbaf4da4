"""The architecture of a network as a drawing needs it: series, branches, repetitions.

It is derived from the graph of the traced network. All networks here are series-parallel: branches
that fork at one point meet again at one point.
"""

import dataclasses
import itertools
from collections import defaultdict
from typing import NamedTuple

from cnn_history.accounting.account import Account, Layer, traced_account
from cnn_history.accounting.graph import INPUT, Node, graph
from cnn_history.accounting.tracing import Traced

LONGEST_PERIOD = 4  # pieces in a repetition, such as convolution, norm, convolution, norm
WORTH_A_MARK = 2  # layers that a repetition mark must save


class Step(NamedTuple):
    """A layer, and the normalization that directly follows it, if any."""

    layer: Layer
    norm: Layer | None = None


class Branches(NamedTuple):
    """The branches between a fork and the point where they meet.

    Attributes:
      branches: series; an empty one is a shortcut without layers.
      meeting: `add` or `concatenate`; None if the branches meet at an outer fork's meeting.
      output: shape after the meeting.
    """

    branches: tuple[tuple, ...]
    meeting: str | None
    output: tuple[int, ...]


class Repeat(NamedTuple):
    """Consecutive repetitions of the same pieces, equal in everything except their names."""

    times: int
    pieces: tuple
    last: tuple  # the pieces of the last repetition, for their names


Series = tuple[Step | Branches | Repeat, ...]


def architecture(model: str, **options) -> tuple[Account, Series]:
    """Return account and structure of the network `model` at its paper's image size."""
    traced, account = traced_account(model, None, **options)
    return account, structure(traced, account.layers)


def structure(traced: Traced, layers: tuple[Layer, ...]) -> Series:
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
        while name not in (stop, None):
            if name in found:
                pieces.append(Step(found[name]))
            following, name = readers[name], meetings.get(name)
            if len(following) > 1:
                branches = tuple(series(reader, name) for reader in following)
                operation, _, shape = nodes[name]
                pieces.append(Branches(branches, operation if name != stop else None, shape))
        return _repeated(_with_norms(pieces))

    return series(INPUT, None)


def _meetings(nodes: dict[str, Node], readers: dict[str, list[str]]) -> dict[str, str]:
    """Return, for each node, the nearest node that every path onward passes."""
    order = {name: i for i, name in enumerate([INPUT, *nodes])}
    nearest = {}
    for name in reversed(order):
        ways = set(readers[name])
        while len(ways) > 1:  # replace the first by its own meeting
            first = min(ways, key=order.get)
            ways = ways - {first} | {nearest[first]}
        if ways:
            (nearest[name],) = ways
    return nearest


def _with_norms(pieces: list) -> list:
    """Join each normalization to the layer with weights before it."""
    joined = []
    for piece in pieces:
        match joined[-1:], piece:
            case [Step(before, None)], Step(layer) if layer.norm and before.weights:
                joined[-1] = Step(before, layer)
            case _:
                joined.append(piece)
    return joined


def _repeated(pieces: list) -> Series:
    """Replace runs of equal pieces by a repetition mark."""
    signs = [_sign(piece) for piece in pieces]
    found, i = [], 0

    def run(period: int) -> tuple[int, int, int]:
        """Return how many layers a mark would save here, -period, and the end of the run."""
        end = i + period
        while signs[end : end + period] == signs[i : i + period]:
            end += period
        times = (end - i) // period
        return (times - 1) * len(list(steps(pieces[i : i + period]))), -period, end

    while i < len(pieces):
        saved, period, end = max(map(run, range(1, LONGEST_PERIOD + 1)))
        if saved >= WORTH_A_MARK:
            unit, last = pieces[i : i - period], pieces[end + period : end]
            found.append(Repeat((end - i) // -period, tuple(unit), tuple(last)))
        else:
            found.append(pieces[i])
            end = i + 1
        i = end
    return tuple(found)


def _sign(piece):
    """Return the properties in which repeated pieces must agree."""
    match piece:
        case Step(layer, norm):
            return dataclasses.replace(layer, name="", receptive_field=0), norm is None
        case Branches(branches, meeting, output):
            return tuple(tuple(map(_sign, b)) for b in branches), meeting, output
        case Repeat(times, inside, _):
            return times, tuple(map(_sign, inside))


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
