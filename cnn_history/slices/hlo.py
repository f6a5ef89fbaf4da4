"""Read the text of a compiled program: XLA's HLO after all optimizations."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

KINDS = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
USES = GRADIENT, STATISTICS, OTHER = ("gradient", "statistics", "other")
MOMENTS = 3  # numbers that a device sends per channel of a norm
SHOWN = 10  # rows of layout costs, largest first

COMPUTATION = re.compile(r"(?:ENTRY )?%(?P<name>[\w.-]+) \(.*\{$")
INSTRUCTION = re.compile(
    r"\s+(?:ROOT )?%(?P<name>[\w.-]+) = (?P<type>.*?) (?P<opcode>[a-z][a-z-]*)\("
)
ARRAY = re.compile(
    r"(?P<dtype>[a-z]+\d*)(?:e\dm\d\w*)?\[(?P<dims>[\d,]*)\](?:\{(?P<layout>[^}]*)\})?"
)
CHANNEL = re.compile(r"\bchannel_id=(\d+)")
CALLED = re.compile(r"calls=%([\w.-]+)")
WHERE = re.compile(r'op_name="([^"]*)"')
BITS = re.compile(r"\d+")

# In a layout, after the order of dimensions: the first tile, and the memory space if not HBM.
TILE, SPACE = re.compile(r":T\(([\d,]+)\)"), re.compile(r"S\([1-9]\d*\)")
# Instructions that rename an existing array, or name input data. One that starts an asynchronous
# operation also names its operands; the one that ends it names the result.
NO_ARRAY = re.compile(r"parameter|constant|get-tuple-element|tuple|bitcast|.*-start")
MOVES = ("copy", "transpose", "pad", "reshape")


class Array(NamedTuple):
    """One array of an instruction's result.

    Attributes:
      text: in HLO, without its layout.
      size: number of values.
      shape: without sides of 1.
      bytes: of the values.
      padded: bytes in the array's layout, with whole tiles.
      in_hbm: whether the array lies in HBM.
    """

    text: str
    size: int
    shape: tuple[int, ...]
    bytes: int
    padded: int
    in_hbm: bool


class Instruction(NamedTuple):
    """One instruction: its computation and its line."""

    computation: str
    name: str
    opcode: str
    arrays: list[Array]
    line: str

    @property
    def where(self) -> str:
        """Its origin in the network, as jax names it; empty if unknown."""
        match = WHERE.search(self.line)
        return match[1] if match else ""


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of all computations in order."""
    computation = ""
    for line in text.splitlines():
        if match := COMPUTATION.match(line):
            computation = match["name"]
        elif match := INSTRUCTION.match(line):
            arrays = [_array(found) for found in ARRAY.finditer(match["type"])]
            yield Instruction(computation, match["name"], match["opcode"], arrays, line)


def _array(found: re.Match) -> Array:
    dims = [int(n) for n in found["dims"].split(",") if n]
    size, layout = math.prod(dims), found["layout"] or ""
    bits = BITS.search(found["dtype"])
    each = int(bits[0]) / 8 if bits else 1  # pred
    order = [int(n) for n in layout.partition(":")[0].split(",") if n]
    tile = TILE.search(layout)
    padded = list(dims)
    if tile and order:
        sides = [int(n) for n in tile[1].split(",")]
        for side, axis in zip(
            reversed(sides), order, strict=False
        ):  # the minor axes, innermost first
            padded[axis] = -(-padded[axis] // side) * side
    text = f"{found['dtype']}[{found['dims']}]"
    whole = [round(values * each) for values in (size, math.prod(padded))]
    return Array(text, size, _without_ones(*dims), *whole, not SPACE.search(layout))


def _without_ones(*dims: int) -> tuple[int, ...]:
    return tuple(n for n in dims if n > 1)


def collectives(
    text: str, kernels: Collection[int], channels: Collection[int], devices: int
) -> list[dict]:
    """Return the collectives (communication between devices), by kind and use.

    An instruction in a loop counts once. So does a collective that the TPU's compiler splits over
    several instructions of one channel, to run it beside a convolution: in the fusion that starts
    it, in the convolution's, and in the fusion that ends it. A collective belongs to the gradient
    if it carries an array as large as a kernel, a vector that is not a norm's, or several arrays at
    once; XLA merges small ones into it. A collective that carries only numbers per channel of a
    norm belongs to the norm's statistics: forward, backward, or the gradient of scale and shift. So
    does one that gathers each device's moments, which is told by its shape; on 64 devices, XLA:TPU
    gathers by adding arrays in which each device fills its own part, sometimes several at once.

    Args:
      text: the program's HLO.
      kernels: sizes of the parameters that are not vectors of norms.
      channels: sizes of the norms' vectors.
      devices: number of devices.
    """
    moments = {_without_ones(MOMENTS, devices, size) for size in channels}
    found, known = list(instructions(text)), (set(kernels), set(channels), moments)
    asynchronous = {
        called
        for one in found
        if one.opcode == "async-start"
        for called in CALLED.findall(one.line)
    }
    sent = {}
    for one in found:
        kind = one.opcode.removesuffix("-start")
        if kind not in KINDS:
            continue
        started = one.opcode != kind
        arrays = one.arrays
        if started and kind in ("all-gather", "collective-permute"):  # (operand, result, ...)
            arrays = arrays[1:2]
        later = started or one.computation in asynchronous or "async" in one.computation
        channel = CHANNEL.search(one.line)
        of = channel[1] if channel else (one.computation, one.name)
        use = _use(kind, arrays, *known)
        later = later or (of in sent and sent[of][2])
        sent[of] = kind, use, later, sum(array.bytes for array in arrays)
    counts, sizes = Counter(), Counter()
    for *key, size in sent.values():
        counts[tuple(key)] += 1
        sizes[tuple(key)] += size
    return [
        {"kind": kind, "use": use, "count": count, "bytes": sizes[kind, use, later], "async": later}
        for (kind, use, later), count in sorted(counts.items())
    ]


def _use(
    kind: str, arrays: list[Array], kernels: set[int], channels: set[int], moments: set[tuple]
) -> str:
    others = [array for array in arrays if array.shape not in moments]
    if kind in ("all-gather", "all-reduce") and arrays and not others:
        return STATISTICS
    sizes = {array.size for array in others}
    if kind != "all-reduce" or max(sizes, default=0) <= 1:
        return OTHER
    if sizes & (kernels - channels - {1}) or max(sizes) > max(channels, default=1):
        return GRADIENT
    return STATISTICS if sizes <= {1, *channels} else OTHER


def layout_costs(text: str) -> list[dict]:
    """Return the SHOWN arrays with the highest layout costs, largest first.

    `copy`, `transpose`, `pad`, `reshape`: bytes written to change an array's layout or size.
    `padding`: bytes of HBM that whole tiles take beyond the array's values. Fused operations and
    arrays in the chip's own memory are not counted. Equal arrays from the same place in the network
    share one row.
    """
    rows = Counter()
    fused = {
        called
        for one in instructions(text)
        if one.opcode == "fusion"
        for called in CALLED.findall(one.line)
    }
    for one in instructions(text):
        if one.computation in fused or NO_ARRAY.fullmatch(one.opcode):
            continue
        moved = one.name.partition(".")[0].partition("_")[0]
        moved = moved if one.opcode in (moved, "fusion") else one.opcode
        for array in one.arrays:
            if not array.in_hbm:
                continue
            if moved in MOVES:
                rows[moved, array.text, array.padded, one.where] += 1
            if array.padded > array.bytes:
                rows["padding", array.text, array.padded - array.bytes, one.where] += 1
    found = [
        {"what": what, "array": array, "count": count, "bytes": count * each, "where": where}
        for (what, array, each, where), count in rows.items()
    ]
    return sorted(found, key=lambda row: -row["bytes"])[:SHOWN]
