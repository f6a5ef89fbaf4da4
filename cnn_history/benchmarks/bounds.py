"""A lower bound on the time of a network's kernels on a device, from the network's account."""

import math
from typing import NamedTuple

from cnn_history.accounting import graph
from cnn_history.accounting.account import traced_account
from cnn_history.benchmarks import passes

WEIGHTED = ("conv", "fc", "rbf")


class Bound(NamedTuple):
    """The work of a step per image, and its least time.

    Attributes:
      operations: multiplications and additions.
      bytes: bytes moved.
      seconds: least time, the sum over kernels of the longer of computing and moving.
    """

    operations: float
    bytes: float
    seconds: float


class Piece(NamedTuple):
    """The properties of a layer, or of a meeting of branches, that determine its bound.

    Attributes:
      operation: operation of the layer or the meeting.
      macs: multiply-adds.
      input: number of input values; 0 for meetings.
      output: number of output values.
      of_image: whether the input is the image.
      normalized: whether a normalization over the batch follows.
    """

    operation: str
    macs: int
    input: int
    output: int
    of_image: bool
    normalized: bool


def pieces(model: str) -> tuple[list[Piece], int]:
    """Return the pieces of a network at its paper's image size, and its parameter count."""
    traced, account = traced_account(model, None)
    layers = dict(zip(traced.calls, account.layers, strict=True))
    nodes = graph.graph(traced)
    sizes = {name: math.prod(node.shape) for name, node in nodes.items()}
    sizes[graph.INPUT] = account.input_activations
    followed = {s for name, layer in layers.items() if layer.norm for s in nodes[name].sources}

    def piece(name: str, node: graph.Node) -> Piece:
        operation, macs, read = node.operation, 0, 0
        if layer := layers.get(name):
            operation, macs = layer.operation, layer.macs
            read = sum(sizes[source] for source in node.sources)
        of_image = graph.INPUT in node.sources
        return Piece(operation, macs, read, sizes[name], of_image, name in followed)

    return [piece(*item) for item in nodes.items()], account.parameters


def bounds(
    model: str, mode: str, batch: int, width: int, peak: float, bandwidth: float
) -> dict[str, Bound]:
    """Return the bound for each degree of fusion.

    Args:
      model: name of the network.
      mode: `train` or `inference`.
      batch: images per step; they share the traffic of the parameters.
      width: bytes per value.
      peak: operations per second.
      bandwidth: bytes per second.
    """
    found, parameters = pieces(model)
    shared = passes.parameter_bytes(mode, width) * parameters / batch
    made = {}
    for name, fusion in passes.FUSIONS[mode].items():
        kernels = [
            (2 * ops, width * n) for piece in found for ops, n in _kernels(piece, fusion, mode)
        ]
        operations, moved = zip(*kernels, (0, shared), strict=True)
        longer = (max(o / peak, n / bandwidth) for o, n in zip(operations, moved, strict=True))
        made[name] = Bound(sum(operations), sum(moved), sum(longer))
    return made


def _kernels(piece: Piece, fusion: passes.Fusion, mode: str) -> list[tuple[int, int]]:
    """Return (multiply-adds, values moved) of each kernel of a piece."""
    operation = piece.operation
    if operation in WEIGHTED:
        table = fusion.normalized if piece.normalized else fusion.plain
        return [_kernel(piece, kernel) for kernel in table]
    over_input, over_output = {
        **passes.POOLS[mode],
        "add": (0, fusion.sum),
        "concatenate": (0, fusion.concatenation),
        "lrn": (0, passes.RESPONSE_NORM[mode]),
    }.get(operation, (0, 0))
    return [(piece.macs, over_input * piece.input + over_output * piece.output)]


def _kernel(piece: Piece, kernel: passes.Kernel) -> tuple[int, int]:
    counts = kernel[:3]
    if piece.of_image:
        counts = [a - b for a, b in zip(counts, kernel.to_input, strict=True)]
    operations, over_input, over_output = counts
    return operations * piece.macs, over_input * piece.input + over_output * piece.output
