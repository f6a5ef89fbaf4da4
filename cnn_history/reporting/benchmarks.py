"""What a benchmark measured, as tables for the console and the README."""

import pathlib
from collections.abc import Mapping
from typing import Any

RESULTS = pathlib.Path(__file__).parents[2] / "results" / "benchmarks"
TITLE = ("network", "what", "optimizer", "loader")  # what tells rows apart
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def title(row: Mapping[str, Any]) -> str:
    """Return what a row is of, in words."""
    parts = [row["mode"], *(str(row[name]) for name in TITLE if row.get(name))]
    parts += [f"{name} {row[name]}" for name in ("batch",) if name in row]
    return ", ".join(parts)


def short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table shows of a row."""
    names = ("network", "what", "optimizer", "loader", "mode", "batch", "dtype", "data")
    shown = {name: row[name] for name in names if row.get(name, "") != ""}
    if "images_per_second" in row:
        shown["images/s"] = rate(row["images_per_second"])
    for name in ("seconds", "seconds_per_step"):
        if name in row:
            shown["time"] = seconds(row[name])
    if "ratio" in row:
        shown["ours/theirs"] = spread(row["ratio"])
        shown["beside"] = row.get("beside", "")
    for name in ("share_of_peak", "share_of_bandwidth", "share_of_bound"):
        if name in row:
            shown[name.replace("share_of_", "of ")] = f"{row[name]:.0%}"
    if "times_sgd" in row:
        shown["times sgd"] = spread(row["times_sgd"])
    for name in ("memory_bytes", "state_bytes"):
        if name in row:
            shown[name.replace("_bytes", "")] = unit(row[name]) + "B"
    return shown


def spread(values: Mapping[str, float], suffix: str = "") -> str:
    """Return median, lowest and highest: 0.82 (0.79 to 0.90)."""
    low, median, high = (rate(values[name]) for name in ("low", "median", "high"))
    return f"{median}{suffix} ({low} to {high})"


def seconds(values: Mapping[str, float]) -> str:
    """Return the same of seconds, in milliseconds where that reads better."""
    if values["median"] >= 1:
        return spread(values, " s")
    return spread({name: 1e3 * value for name, value in values.items()}, " ms")


def rate(value: float) -> str:
    """Return three digits, whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def unit(value: float) -> str:
    """Return three digits and a decimal unit: 24.3 G."""
    size, name = next((u for u in UNITS if abs(value) >= u[0]), UNITS[-1])
    return f"{value / size:.3g} {name}"


def notes(document: Mapping[str, Any]) -> list[str]:
    """Return lines on the device and what it can do."""
    before, after = document["load_average"]
    lines = [
        f"{document['device']}; {document['threads']} threads on both sides; "
        f"load average {before:.1f} before, {after:.1f} after."
    ]
    for dtype, found in document["ceilings"].items():
        lines.append(
            f"It can do {unit(found['operations_per_second'])}FLOP/s in a {dtype} matrix product, "
            f"and move {unit(found['bytes_per_second'])}B/s; bound: the sum over kernels of the "
            "longer of both."
        )
    return lines
