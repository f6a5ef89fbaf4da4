"""Rooflines: the speed reached, compared with the device's limits (Williams et al. 2009).

The x axis shows operations per byte moved by unfused kernels, the y axis operations per second.
Left of the ridge, the roof is the bandwidth; right of it, the peak of a matrix product. Both were
measured in the same run. The mark above each point is the bound of the network's own kernels. It
lies below the roof, because some kernels are limited by bandwidth and others by arithmetic.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from markupsafe import Markup

from cnn_history.reporting.benchmarks import unit
from cnn_history.reporting.page import svg

WIDTH, HEIGHT = 780.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 190.0, 26.0, 46.0
MARGIN = 1.6  # factor by which axes extend beyond the points
APART = 16.0  # least distance between labels
RADIUS = 5.0


def rooflines(document: dict[str, Any]) -> list[Markup]:
    """Return a picture for each dtype whose ceilings were measured."""
    return [
        _roofline(document["device"], dtype, ceiling, rows)
        for dtype, ceiling in document.get("ceilings", {}).items()
        if (rows := [row for row in document["results"] if row.get("dtype") == dtype])
    ]


def _roofline(device: str, dtype: str, ceiling: dict[str, float], rows: list[dict]) -> Markup:
    peak, bandwidth = ceiling["operations_per_second"], ceiling["bytes_per_second"]
    ridge, points = peak / bandwidth, [_point(row) for row in rows]
    intensities = [ridge, *(point["x"] for point in points)]
    speeds = [value for point in points for value in (point["ours"], point["theirs"]) if value]
    low, high = min(intensities) / MARGIN, max(intensities) * MARGIN
    slowest, fastest = min(*speeds, bandwidth * low) / MARGIN, peak * MARGIN
    across = _scale(low, high, LEFT, WIDTH - RIGHT)
    up = _scale(slowest, fastest, HEIGHT - BOTTOM, TOP)
    title = f"Roofline of {device}, {dtype}: {len(points)} networks under its two ceilings"
    root = svg.picture(WIDTH, HEIGHT, title, "roofline")
    _axes(root, across, up, (low, high), (slowest, fastest))
    roof = [(low, bandwidth * low), (ridge, peak), (high, peak)]
    svg.path(root, [(across(x), up(y)) for x, y in roof], "roof")
    right = WIDTH - RIGHT
    svg.text(root, across(ridge) + 6, up(peak) - 7, f"{unit(peak)}FLOP/s, matrix product", "small")
    svg.text(root, across(low) + 14, up(bandwidth * low) + 5, f"{unit(bandwidth)}B/s", "small")
    heights = _spread([up(point["ours"]) for point in points])
    for point, height in zip(points, heights, strict=True):
        x, y = across(point["x"]), up(point["ours"])
        group = svg.shape(root, "g", point["kind"], title=point["words"])
        svg.path(group, [(x, y), (x, up(point["bound"]))], "gap")
        svg.path(group, [(x - 6, up(point["bound"])), (x + 6, up(point["bound"]))], "bound")
        svg.path(group, [(x + RADIUS, y), (right + 4, height), (right + 12, height)], "leader")
        if point["theirs"]:
            svg.shape(group, "circle", "theirs", cx=x, cy=up(point["theirs"]), r=RADIUS - 1)
        svg.shape(group, "circle", "ours", cx=x, cy=y, r=RADIUS)
        svg.text(group, right + 16, height + 4, point["label"])
    return svg.markup(root)


def _point(row: dict) -> dict[str, Any]:
    operations = row["operations_per_image"]
    others = [other["images_per_second"] for other in row.get("others", [])]
    label = f"{row['network']}, {row['mode']}"
    share = f"{label}: {row['share_of_bound']:.0%} of its kernels' bound"
    return {
        "x": operations / row["bytes_per_image"],
        "ours": row["images_per_second"] * operations,
        "theirs": max(others) * operations if others else None,
        "bound": row["bounds"]["compiler"] * operations,
        "label": label,
        "words": f"{share}, {unit(row['images_per_second'] * operations)}FLOP/s",
        "kind": row["mode"],
    }


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return a logarithmic scale: values from low to high -> positions from start to end."""
    per_decade = (end - start) / math.log10(high / low)
    return lambda value: start + per_decade * math.log10(value / low)


def _axes(root, across, up, xs, ys) -> None:
    for value in _ticks(*xs):
        x = across(value)
        svg.path(root, [(x, TOP), (x, HEIGHT - BOTTOM)], "grid")
        svg.text(root, x, HEIGHT - BOTTOM + 16, f"{value:g}", "small middle")
    for value in _ticks(*ys):
        y = up(value)
        svg.path(root, [(LEFT, y), (WIDTH - RIGHT, y)], "grid")
        svg.text(root, LEFT - 6, y + 4, unit(value).strip(), "small end")
    middle = (LEFT + WIDTH - RIGHT) / 2
    svg.text(root, middle, HEIGHT - 8, "operations per byte moved", "small middle")
    svg.text(root, 0, 12, "operations per second", "small")


def _ticks(low: float, high: float) -> list[float]:
    """Return ticks at powers of ten, for short ranges also at 2 and 5 times these."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 2 else (1, 2, 5)
    found = [step * 10.0**decade for decade in decades for step in steps]
    return [value for value in found if low <= value <= high]


def _spread(heights: list[float]) -> list[float]:
    """Return the heights, moved apart in the same order and within the picture."""
    order, apart = np.argsort(heights, kind="stable"), APART * np.arange(len(heights))
    down = np.maximum.accumulate(np.take(heights, order) - apart) + apart
    lowest = HEIGHT - BOTTOM - apart[::-1]  # with room for those below
    return np.minimum(down, lowest)[np.argsort(order)].tolist()
