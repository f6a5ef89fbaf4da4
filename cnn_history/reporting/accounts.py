"""The account of a network as a table, as Markdown, as JSON, and as the lecture's listing."""

import dataclasses
import json

from rich.console import Console
from rich.table import Table

from cnn_history.accounting import Account, Layer
from cnn_history.reporting import markdown as tables

COLUMNS = ("layer", "operation", "kernel", "stride", "output")
NUMBERS = ("parameters", "multiply-adds", "activations", "receptive field")
BYTES = 4  # of a float32

# The lecture's statement on the memory of a network's activations.
LECTURE_TOTALS = {"vgg16": "24M * 4 bytes ~= 96MB / image"}


def as_json(account: Account) -> str:
    """Return an account as a JSON document, with the totals before the layers."""
    found = dataclasses.asdict(account)
    rows = found.pop("layers")
    totals = {name: getattr(account, name) for name in ("parameters", "macs", "activations")}
    return json.dumps({**found, **totals, "layers": rows}, indent=2)


def _cells(layer: Layer) -> list[str]:
    numbers = (layer.parameters, layer.macs, layer.activations, layer.receptive_field)
    kernel, output = ("x".join(map(str, size or ())) for size in (layer.kernel, layer.output))
    operation = layer.operation.replace("_", " ")
    said = [f"{number:,}" for number in numbers]
    return [layer.name, operation, kernel, str(layer.stride or ""), output, *said]


def _rows(account: Account) -> list[list[str]]:
    """Return the cells of the input, the layers and the totals."""
    size = "x".join(map(str, account.input))
    totals = (account.parameters, account.macs, account.activations)
    return [
        ["input", "", "", "", size, "", "", f"{account.input_activations:,}", ""],
        *map(_cells, account.layers),
        ["total", "", "", "", "", *(f"{total:,}" for total in totals), ""],
    ]


def _title(account: Account) -> str:
    return f"{account.model} ({account.paper}), depth {account.depth}"


def table(account: Account) -> None:
    """Print an account as a table, followed by the lecture's listing if there is one."""
    found = Table(box=None, pad_edge=False, header_style="bold", title=_title(account))
    for column in (*COLUMNS, *NUMBERS):
        justify = "right" if column in NUMBERS else "left"
        found.add_column(column, justify=justify, no_wrap=True)
    *rows, totals = _rows(account)
    for cells in rows:
        found.add_row(*cells)
    found.add_section()
    found.add_row(*totals, style="bold")
    # Lines must not be cut, so the table is at least 150 columns wide.
    console = Console(width=max(150, Console().width))
    console.print(found)
    if account.model in LECTURE_TOTALS:
        console.print("\n" + "\n".join(listing(account)), markup=False, highlight=False)


def markdown(account: Account) -> str:
    """Return an account in Markdown, followed by the lecture's listing if there is one."""
    rows = tables.table((*COLUMNS, *NUMBERS), _rows(account), numbers=len(NUMBERS))
    lines = [f"### {_title(account)}", "", rows]
    if account.model in LECTURE_TOTALS:
        lines += ["", "```", *listing(account), "```"]
    return "\n".join(lines)


def listing(account: Account) -> list[str]:
    """Return the lines of the lecture's slide on VGG16, with computed memory and weights.

    As on the slide, memory is in floats and weights do not include biases.
    """
    lines = [_line("INPUT", account.input, account.input_activations, "0")]
    channels = account.input[-1]
    for layer in account.layers:
        filters = layer.output[-1]
        match layer.operation:
            case "conv":
                name = f"CONV{layer.kernel[0]}-{filters}"
                window = "*".join(map(str, (*layer.kernel, channels)))
                weights = f"({window})*{filters} = {layer.weights:,}"
            case "fc":
                product = "*".join(map(str, (*(layer.kernel or ()), channels, filters)))
                name, weights = "FC", f"{product} = {layer.weights:,}"
            case _:
                name, weights = f"POOL{layer.kernel[0]}", "0"
        lines.append(_line(name, layer.output, layer.activations, weights))
        channels = filters
    total = account.activations
    weights = sum(layer.weights for layer in account.layers)
    return [
        *lines,
        f"TOTAL memory: {total / 1e6:.1f}M * {BYTES} bytes = {total * BYTES / 1e6:.0f}MB / image "
        f"({total:,} floats; the lecture: {LECTURE_TOTALS[account.model]})",
        f"TOTAL params: {weights / 1e6:.0f}M ({weights:,} without biases, as listed; "
        f"{account.parameters:,} with them)",
    ]


def _line(name: str, shape: tuple[int, ...], floats: int, weights: str) -> str:
    head = f"{name}: [{'x'.join(map(str, shape))}]"
    sides = "*".join(str(n) for n in shape if n > 1)
    memory = sides if sides == str(floats) else f"{sides}={_rounded(floats)}"
    return f"{head:<26}memory: {memory:<20}params: {weights}"


def _rounded(number: int) -> str:
    """Return a number in the slide's form, with two digits and a unit: 3.2M, 800K."""
    rounded = float(f"{number:.1e}")
    if rounded >= 1e6:
        return f"{rounded / 1e6:.1f}M"
    return f"{rounded / 1e3:.0f}K" if rounded >= 1e4 else str(number)
