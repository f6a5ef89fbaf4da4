"""Speed: what was measured, on what, beside what."""

import dataclasses
from typing import Any

from cnn_history.reporting.page.found import Document, Found
from cnn_history.reporting.page.pictures import Picture, Pictures
from cnn_history.reporting.page.values import cell

COMMAND = "./launch.sh benchmark --suite=NAME --against=torch --output=runs/benchmark.json"
RATIO = ("low", "median", "high")
FULL = 3.0  # the ratio that fills a bar


@dataclasses.dataclass(frozen=True)
class Measured:
    """A row of a benchmark.

    Attributes:
      cells: of the columns.
      ratio: our time over the other's, (low, median, high), or None.
    """

    cells: list[str]
    ratio: tuple[float, ...] | None


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark as the page shows it.

    Attributes:
      name: of its file.
      device: in words.
      what: was measured, in words, where the file says it.
      made: versions and commit.
      columns: of the table, but for the ratio.
      rows: of the table.
      figures: pictures whose names begin with the file's, such as roofline plots.
    """

    name: str
    device: str
    what: str
    made: str
    columns: list[str]
    rows: list[Measured]
    figures: list[Picture]


def benchmarks(found: Found, pictures: Pictures) -> list[Benchmark]:
    """Return the benchmarks that were found."""
    return [_benchmark(document, pictures) for document in found.benchmarks]


def _benchmark(document: Document, pictures: Pictures) -> Benchmark:
    content, folder = document.content, document.path.parent
    rows = [row for row in content["results"] if isinstance(row, dict)]
    names = list(dict.fromkeys(name for row in rows for name in row if name != "ratio"))
    stem = document.path.stem
    files = [f for kind in ("png", "gif") for f in sorted(folder.glob(f"*.{kind}"))]
    figures = [
        pictures.add(file, f"{file.stem.replace('_', ' ')}, on {cell(content['device'])}", folder)
        for file in files
        if file.stem.startswith(stem)
    ]
    return Benchmark(
        name=document.name,
        device=cell(content["device"]),
        what=str(content.get("what", "")),
        made=cell({name: content[name] for name in ("versions", "commit") if content.get(name)}),
        columns=[str(name).replace("_", " ") for name in names],
        rows=[
            Measured([cell(row.get(n)) for n in names], _ratio(row.get("ratio"))) for row in rows
        ],
        figures=[figure for figure in figures if figure],
    )


def _ratio(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, dict):
        return None
    found = tuple(value.get(name) for name in RATIO)
    return found if all(isinstance(x, int | float) for x in found) else None
