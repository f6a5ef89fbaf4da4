"""Results of benchmarks, as tables for the console, the page and docs/results.md."""

import json
import pathlib
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from cnn_history.reporting import markdown

SUITES = {
    "cpu": "Networks on a CPU",
    "gpu": "Networks on a GPU",
    "levers": "Possible speed-ups of a step on a GPU",
    "input": "Input",
    "startup": "Start",
    "optimizers": "Optimizers",
    "profile": "Time by operation",
}
# The fields that identify a row.
KEYS = ("network", "what", "lever", "optimizer", "loader", "mode", "batch", "dtype", "data")
SAID_ONCE = (
    "network",
    "mode",
    "dtype",
    "data",
    "compared with",
)  # in the notes if equal in all rows
NAMED = ("network", "mode")  # still columns if there is only one row
OBVIOUS = ("input", "start")  # the only modes of their suites
SHARES = ("share_of_peak", "share_of_bandwidth", "share_of_bound")
RATIO = "ours/theirs"
# Columns left out of docs/results.md: details, or the same in all rows.
ASIDE = ("dtype", "data", "of bandwidth", "memory", "time")
LINE = 60  # letters shown of an error; the file has all
UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def title(row: Mapping[str, Any]) -> str:
    """Return the fields that identify a row, as text."""
    return ", ".join(str(row[name]) for name in KEYS if row.get(name, "") != "")


def spread(values: Mapping[str, float], suffix: str = "") -> str:
    """Return median, lowest and highest: 0.82 (0.79 to 0.90)."""
    low, median, high = (digits(values[name]) for name in ("low", "median", "high"))
    return f"{median}{suffix} ({low} to {high})"


def seconds(values: Mapping[str, float]) -> str:
    """Return `spread` of a time, in milliseconds below a second."""
    if values["median"] >= 1:
        return spread(values, " s")
    return spread({name: 1e3 * value for name, value in values.items()}, " ms")


def digits(value: float) -> str:
    """Return a number to three digits, from 100 as a whole number."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".removesuffix(".")


def unit(value: float) -> str:
    """Return a number with three digits and a decimal unit: 24.3 G."""
    size, name = next((u for u in UNITS if abs(value) >= u[0]), UNITS[-1])
    return f"{value / size:.3g} {name}"


SHOWN = {  # by field of a row: the column, and the function that formats a value
    "images_per_second": ("images/s", digits),
    "seconds": ("time", seconds),
    "seconds_per_step": ("time", seconds),
    "ratio": (RATIO, spread),
    "beside": ("compared with", str),
    "share": ("share", "{:.1%}".format),
    "seconds_of_step": ("of a step", lambda value: f"{digits(1e3 * value)} ms"),
    **{name: (name.replace("share_of_", "of "), "{:.0%}".format) for name in SHARES},
    "times_sgd": ("times sgd", spread),
    "times_without": ("times without", spread),
    "compiled": ("compiled, and without", lambda both: ", ".join(f"{digits(n)} s" for n in both)),
    "failed": ("failed", lambda why: textwrap.shorten(why, LINE)),
    "memory_bytes": ("memory", lambda value: unit(value) + "B"),
    "state_bytes": ("state", lambda value: unit(value) + "B"),
}


def short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a row by column."""
    shown = {name: row[name] for name in KEYS if row.get(name, "") != ""}
    if "compile_seconds_without" in row:
        row = {**row, "compiled": (row["compile_seconds"], row["compile_seconds_without"])}
    said = ((*SHOWN[name], row[name]) for name in SHOWN if name in row)
    return shown | {column: say(value) for column, say, value in said}


def alike(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of SAID_ONCE that are equal in all rows."""
    values = {name: [row.get(name) for row in rows] for name in SAID_ONCE}
    return {
        name: found[0]
        for name, found in values.items()
        if (len(found) > 1 or name not in NAMED)
        and found[0] is not None
        and found.count(found[0]) == len(found)
    }


def notes(document: Mapping[str, Any]) -> list[str]:
    """Return sentences on the fields that all rows share, and on the machine and its ceilings."""
    before, after = document["load_average"]
    shared = alike([short(row) for row in document["results"]])
    said = [f"{name}: {value}" for name, value in shared.items() if value not in OBVIOUS]
    lines = ["; ".join(said) + "."] if said else []
    threads, rounds = document["threads"], document["rounds"]
    sides = " on both sides" if any("ratio" in row for row in document["results"]) else ""
    lines.append(
        f"{threads} thread{'s' * (threads > 1)}{sides}, {rounds} round{'s' * (rounds > 1)}; load "
        f"average {before:.1f} before, {after:.1f} after."
    )
    for dtype, found in document["ceilings"].items():
        lines.append(
            f"Measured in {dtype}: a peak of {unit(found['operations_per_second'])}FLOP/s (matrix "
            f"product) and a bandwidth of {unit(found['bytes_per_second'])}B/s. A network's bound "
            "sums, over its unfused kernels, the longer of computing at the peak and moving at the "
            "bandwidth."
        )
    if any(row.get(name, 0) > 1 for row in document["results"] for name in SHARES):
        lines.append(
            "Shares can exceed 100 %: operations are counted for the published network, and "
            "Winograd's algorithm needs fewer."
        )
    return lines


def tables(folder: pathlib.Path) -> Iterator[str]:
    """Yield a paragraph and a table in Markdown for each suite with a file in a folder."""
    for name, title in SUITES.items():
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        document = json.loads(path.read_text())
        versions = document["versions"]
        made = ", ".join(f"{n} {versions[n]}" for n in ("jax", "torch") if n in versions)
        where = ", ".join(document[n] for n in ("device", "processor") if document.get(n))
        yield f"{title}, on {where} ({made}). {' '.join(notes(document))}"
        yield _table([short(row) for row in document["results"]])


def _table(rows: list[dict[str, Any]]) -> str:
    only_times = all("images/s" not in row for row in rows)
    aside = {*(ASIDE[:-1] if only_times else ASIDE), *alike(rows)}
    names = [n for n in dict.fromkeys(n for row in rows for n in row) if n not in aside]
    return markdown.table(names, [[row.get(n, "") for n in names] for row in rows])
