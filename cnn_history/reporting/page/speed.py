"""Benchmarks on the page."""

from typing import Any

from cnn_history.reporting import benchmarks as measured
from cnn_history.reporting.page.material import Document, Material
from cnn_history.reporting.page.pictures import Pictures
from cnn_history.reporting.page.roofline import rooflines
from cnn_history.reporting.page.values import cell

COMMAND = "./launch.sh benchmark --suite={0}{1} --output=runs/benchmark_{0}.json"
ALONE = ("levers", "optimizers", "profile")  # suites without a comparison
FIRST = (*measured.KEYS, "images/s")  # columns before the ratio
RATIO = ("low", "median", "high")
FULL = 2.0  # the ratio that fills a bar
# Columns left out, so that tables fit a screen; the roofline or the file has their values.
ASIDE = ("of bandwidth", "memory")


def benchmarks(material: Material, pictures: Pictures) -> list[dict[str, Any]]:
    """Return the benchmarks; a damaged one is left out, with a line in `left_out`."""
    made = []
    for document in material.benchmarks:
        try:
            made.append(_benchmark(document, pictures))
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            material.left_out.append(f"{document.name}: {type(error).__name__}: {error}")
    return made


def missing(material: Material) -> list[str]:
    """Return the commands that measure the missing suites."""
    there = {document.content.get("suite") for document in material.benchmarks}
    return [
        COMMAND.format(suite, "" if suite in ALONE else " --against=torch")
        for suite in measured.SUITES
        if suite not in there
    ]


def _benchmark(document: Document, pictures: Pictures) -> dict[str, Any]:
    """Return a benchmark as the page shows it.

    `title` has suite, device and version of jax. `columns` come before the ratio, `more` after it.
    `rows` are text, except `ratio`: our time over the other's (low, median, high), or None.
    `figures` are files whose names begin with the benchmark's.
    """
    content, folder = document.content, document.path.parent
    device, suite = cell(content["device"]), content.get("suite")
    title = cell(content.get("title") or measured.SUITES.get(suite, suite) or "")
    heading = [f"{title}, on {device}" if title else device]
    versions = content.get("versions")
    if isinstance(versions, dict) and "jax" in versions:
        heading.append(f"jax {cell(versions['jax'])}")
    rows = [row for row in content["results"] if isinstance(row, dict)]
    shown = [measured.short(row) for row in rows]
    left_out = {*measured.alike(shown), *ASIDE, measured.RATIO}
    names = [n for n in dict.fromkeys(n for row in shown for n in row) if n not in left_out]
    files = [f for kind in ("png", "gif") for f in sorted(folder.glob(f"*.{kind}"))]
    figures = (
        pictures.add(file, f"{file.stem.replace('_', ' ')}, on {device}", folder)
        for file in files
        if file.stem.startswith(document.path.stem)
    )
    return {
        "name": document.name,
        "title": ", ".join(heading),
        "what": str(content.get("what", "")),
        "notes": measured.notes(content) if suite else [],
        "made": cell({name: content[name] for name in ("versions", "commit") if content.get(name)}),
        "columns": [name for name in names if name in FIRST],
        "more": [name for name in names if name not in FIRST],
        "rows": [
            {name: cell(one.get(name, "")) for name in names} | {"ratio": _ratio(row)}
            for row, one in zip(rows, shown, strict=True)
        ],
        "rooflines": rooflines(content),
        "figures": list(filter(None, figures)),
    }


def _ratio(row: dict[str, Any]) -> tuple[float, ...] | None:
    value = row.get("ratio")
    found = tuple(value.get(name) for name in RATIO) if isinstance(value, dict) else (None,)
    return found if all(isinstance(x, int | float) for x in found) else None
