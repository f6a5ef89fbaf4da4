"""The least time that a network's kernels can take on a device, from the network's own account."""

import dataclasses
import math

from cnn_history import models
from cnn_history.accounting import graph, tracing
from cnn_history.accounting.account import rows
from cnn_history.benchmarks import passes

WEIGHTED = ("conv", "fc", "rbf")


@dataclasses.dataclass(frozen=True)
class Bound:
    """What a step does for each image, and the time that it needs at least.

    Attributes:
      operations: multiplications and additions.
      bytes: moved.
      seconds: the sum over kernels of the longer of both.
    """

    operations: float
    bytes: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Piece:
    """A layer or a meeting of branches, as the bounds see it.

    Attributes:
      operation: of the account, or that of a meeting.
      macs: multiply-adds.
      input: number of its values; 0 for meetings.
      output: likewise.
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
    """Return the pieces of the network `model` on its paper's images, and its parameters."""
    info = models.info(model)
    traced = tracing.traced_layers(models.create(model), info.input)
    layers = dict(zip(traced.calls, rows(traced)[1], strict=True))
    nodes = graph.graph(traced)
    sizes = {graph.INPUT: math.prod(info.input)}
    sizes |= {name: math.prod(node.shape) for name, node in nodes.items()}
    norms = {name for name, layer in layers.items() if layer.norm}
    followed = {source for name in norms for source in nodes[name].sources}
    found = []
    for name, node in nodes.items():
        layer = layers.get(name)
        found.append(
            Piece(
                operation=layer.operation if layer else node.operation,
                macs=layer.macs if layer else 0,
                input=sum(sizes[source] for source in node.sources) if layer else 0,
                output=sizes[name],
                of_image=graph.INPUT in node.sources,
                normalized=name in followed,
            )
        )
    return found, sum(layer.parameters for layer in layers.values())


def bounds(
    model: str, mode: str, batch: int, width: int, peak: float, bandwidth: float
) -> dict[str, Bound]:
    """Return the bound of each fusion.

    Args:
      model: name of the network.
      mode: `train` or `inference`.
      batch: images a step, which share the parameters' traffic.
      width: bytes of a number.
      peak: operations a second.
      bandwidth: bytes a second.
    """
    found, parameters = pieces(model)
    shared = passes.parameter_bytes(mode, width) * parameters / batch
    made = {}
    for name, fusion in passes.FUSIONS[mode].items():
        kernels = [
            (2 * ops, width * n) for piece in found for ops, n in _kernels(piece, fusion, mode)
        ]
        kernels.append((0, shared))
        made[name] = Bound(
            operations=sum(operations for operations, _ in kernels),
            bytes=sum(moved for _, moved in kernels),
            seconds=sum(max(operations / peak, moved / bandwidth) for operations, moved in kernels),
        )
    return made


def _kernels(piece: Piece, fusion: passes.Fusion, mode: str) -> list[tuple[int, int]]:
    """Return (multiply-adds, values moved) of each kernel of a piece."""
    operation = piece.operation
    if operation in WEIGHTED:
        table = fusion.normalized if piece.normalized else fusion.plain
        return [_kernel(piece, kernel) for kernel in table]
    if operation in passes.POOLS[mode]:
        over_input, over_output = passes.POOLS[mode][operation]
        return [(piece.macs, over_input * piece.input + over_output * piece.output)]
    over_output = {
        "add": fusion.sum,
        "concatenate": fusion.concatenation,
        "lrn": passes.RESPONSE_NORM[mode],
    }
    return [(0, over_output.get(operation, 0) * piece.output)]


def _kernel(piece: Piece, kernel: passes.Kernel) -> tuple[int, int]:
    counts = kernel[:3]
    if piece.of_image:
        counts = [a - b for a, b in zip(counts, kernel.to_input, strict=True)]
    operations, over_input, over_output = counts
    return operations * piece.macs, over_input * piece.input + over_output * piece.output
