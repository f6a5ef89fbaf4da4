"""The drawing of an architecture, made from the network's structure.

Data flow downwards. Each piece hangs by its axis under the one before. Its height and its extent
left and right of the axis are computed before anything is drawn.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree

from markupsafe import Markup

from cnn_history.accounting import Account
from cnn_history.accounting.structure import Branches, Repeat, Series, Step, steps
from cnn_history.reporting.page import svg

BOX, HEIGHT = 116, 26  # of a layer
GAP, FORK = 12, 14  # between pieces, and between a fork and its branches
ASIDE = 16  # between branches
FRAME = 10  # around what repeats
SHORTCUT = 14  # half the width of a branch without layers
NAMES, SIZES = 124, 92  # columns on the left and on the right
KINDS = {"conv": "conv", "fc": "fc", "rbf": "fc", "lrn": "norm"}
WORDS = {
    "conv": "conv", "fc": "FC", "rbf": "RBF", "lrn": "LRN",
    "max_pool": "max pool", "avg_pool": "avg pool", "subsampling": "subsample",
    "global_avg_pool": "global avg pool", "adaptive_avg_pool": "avg pool to size",
}  # fmt: skip

Draw = Callable[[ElementTree.Element, float, float], None]


class Placed(NamedTuple):
    """A piece with its size, and `draw(parent, x of the axis, y of the top)`."""

    left: float
    right: float
    height: float
    draw: Draw


def architecture(account: Account, series: Series) -> Markup:
    """Return the drawing of a network as inline SVG."""
    placed = [_place(piece) for piece in series]
    left = max(p.left for p in placed) + NAMES
    width = left + max(p.right for p in placed) + SIZES
    height = sum(p.height + GAP for p in placed) + 2 * HEIGHT + GAP
    count = len(account.layers)
    title = f"Architecture of {account.model}: {count} layers, {account.depth} deep"
    root = svg.picture(width, height, title, "architecture")
    root.set("data-axis", f"{left:.0f}")
    svg.text(root, left, HEIGHT / 2, f"image {_size(account.input)}", "middle")
    y = HEIGHT - GAP / 2
    before = account.input
    for piece, place in zip(series, placed, strict=True):
        svg.path(root, [(left, y), (left, y + GAP)])
        y += GAP
        place.draw(root, left, y)
        svg.text(root, 0, y + place.height / 2 + 4, name(piece), "name")
        after = output(piece)
        if after != before:
            svg.text(root, width, y + place.height - 8, _size(after), "size end")
        before = after
        y += place.height
    return svg.markup(root)


def name(piece: Step | Branches | Repeat) -> str:
    """Return the name of a piece, the part that its layers' names share."""
    match piece:
        case Step(layer):
            return layer.name
        case Repeat(_, pieces, last):
            first, end = _shared(pieces), _shared(last)
            alike = itertools.takewhile(lambda two: two[0] == two[1], zip(first, end, strict=False))
            both = "".join(letter for letter, _ in alike).rstrip("0123456789")
            return f"{first} – {end[len(both) :]}" if both and first != end else first
    return _shared((piece,))


def _shared(pieces) -> str:
    """Return the common beginning of the layers' names, at a boundary of words."""
    names = [step.layer.name for step in steps(tuple(pieces))]
    if len(names) == 1:
        return names[0]
    parts = [name.split("/") for name in names]
    common = [p[0] for p in zip(*parts, strict=False) if len(set(p)) == 1]
    return "/".join(common) or f"{names[0]} …"


def output(piece) -> tuple[int, int, int]:
    """Return the output shape of a piece."""
    match piece:
        case Step(layer):
            return layer.output
        case Branches():
            return piece.output
        case Repeat(_, pieces):
            return output(pieces[-1])


def _size(shape: tuple[int, ...]) -> str:
    h, w, c = shape
    return f"{h}×{w}×{c}" if h * w > 1 else f"{c}"


def _place(piece) -> Placed:
    match piece:
        case Step():
            return Placed(BOX / 2, BOX / 2, HEIGHT, lambda *at: _step(piece, *at))
        case Branches():
            return _place_branches(piece)
        case Repeat():
            return _place_repeat(piece)


def _step(step: Step, root: ElementTree.Element, x: float, y: float) -> None:
    layer = step.layer
    kind = "norm" if layer.norm else KINDS.get(layer.operation, "pool")
    group = svg.shape(root, "g", f"layer {kind}")
    svg.shape(group, "rect", x=x - BOX / 2, y=y, width=BOX, height=HEIGHT, rx=4)
    kernel = "×".join(map(str, layer.kernel)) + " " if layer.kernel else ""
    word = "norm" if layer.norm else WORDS.get(layer.operation, layer.operation)
    words = f"{kernel}{word}"
    if kind in ("conv", "fc"):
        words += f", {layer.output[-1]}"
    if (layer.stride or 1) > 1:
        words += f" /{layer.stride}"
    svg.text(group, x, y + HEIGHT / 2 + 4, words, "middle")
    if step.norm:
        svg.shape(group, "rect", "normed", x=x - BOX / 2, y=y + HEIGHT - 3, width=BOX, height=3)
    title = f"{layer.name}: {words}{', normalized' if step.norm else ''} → {_size(layer.output)}"
    svg.shape(group, "title").text = title


def _place_series(series: Series) -> Placed:
    """Place pieces one below the other; an empty series is a line."""
    if not series:
        return Placed(SHORTCUT, SHORTCUT, 0, lambda *at: None)
    placed = [_place(piece) for piece in series]
    height = sum(p.height for p in placed) + GAP * (len(placed) - 1)

    def draw(root, x, y):
        for i, place in enumerate(placed):
            if i:
                svg.path(root, [(x, y), (x, y + GAP)])
                y += GAP
            place.draw(root, x, y)
            y += place.height

    return Placed(max(p.left for p in placed), max(p.right for p in placed), height, draw)


def _place_branches(piece: Branches) -> Placed:
    """Place branches side by side between a fork and the mark of their meeting.

    For a sum, the first branch with layers is on the axis, so that a shortcut visibly bypasses it.
    For a concatenation, the axis is in the middle.
    """
    placed = [_place_series(branch) for branch in piece.branches]
    axes, total = [], -ASIDE
    for place in placed:
        axes.append(total + ASIDE + place.left)
        total += ASIDE + place.left + place.right
    residual = piece.meeting == "add"
    axis = axes[[bool(b) for b in piece.branches].index(True)] if residual else total / 2
    inner = max(p.height for p in placed)
    mark = 18 if piece.meeting else 0
    height = FORK + inner + FORK + mark

    def draw(root, x, y):
        top, bottom = y + FORK, y + FORK + inner
        for place, offset in zip(placed, axes, strict=True):
            at = x - axis + offset
            svg.path(root, [(x, y), (at, y), (at, top)])
            place.draw(root, at, top)
            svg.path(root, [(at, top + place.height), (at, bottom + FORK), (x, bottom + FORK)])
        if piece.meeting:
            _meeting(root, x, bottom + FORK, residual)

    return Placed(axis, total - axis, height, draw)


def _meeting(root: ElementTree.Element, x: float, y: float, residual: bool) -> None:
    group = svg.shape(root, "g", "meeting")
    if residual:
        svg.shape(group, "circle", cx=x, cy=y + 9, r=8)
        svg.text(group, x, y + 14, "+", "middle")
    else:
        svg.shape(group, "rect", x=x - 40, y=y, width=80, height=18, rx=9)
        svg.text(group, x, y + 13, "concatenate", "middle small")


def _place_repeat(piece: Repeat) -> Placed:
    """Place repeated pieces in a frame, with their number on its right."""
    inside = _place_series(piece.pieces)
    mark = 30

    def draw(root, x, y):
        width = inside.left + inside.right + 2 * FRAME + mark
        left = x - inside.left - FRAME
        frame = {"x": left, "y": y, "width": width, "height": inside.height + 2 * FRAME, "rx": 8}
        svg.shape(root, "rect", "repeat", **frame)
        svg.path(root, [(x, y), (x, y + FRAME)])
        inside.draw(root, x, y + FRAME)
        svg.path(root, [(x, y + FRAME + inside.height), (x, y + 2 * FRAME + inside.height)])
        right = left + width - 6
        svg.text(root, right, y + inside.height / 2 + FRAME + 5, f"×{piece.times}", "times end")

    return Placed(inside.left + FRAME, inside.right + FRAME + mark, inside.height + 2 * FRAME, draw)
