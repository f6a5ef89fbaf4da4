"""Speed: what was measured, on what, beside what."""

import dataclasses
from typing import Any

from markupsafe import Markup

from cnn_history.reporting import benchmarks as measured
from cnn_history.reporting.page.material import Document, Material
from cnn_history.reporting.page.pictures import PageImage, Pictures
from cnn_history.reporting.page.roofline import rooflines
from cnn_history.reporting.page.values import cell

COMMAND = "./launch.sh benchmark --suite={} --against=torch --output=runs/benchmark_{}.json"
ALONE = ("levers", "optimizers", "profile")  # nothing runs beside them
FIRST = (*measured.KEYS, "images/s")  # before the ratio
RATIO = ("low", "median", "high")
FULL = 2.0  # the ratio that fills a bar
# The roofline shows the one, the file has the other: the table stays as wide as a screen.
ASIDE = ("of bandwidth", "memory")


@dataclasses.dataclass(frozen=True)
class Measured:
    """A row of a benchmark.

    Attributes:
      cells: of the columns before the ratio.
      more: of those behind it.
      ratio: our time over the other's, (low, median, high), or None.
    """

    cells: list[str]
    more: list[str]
    ratio: tuple[float, ...] | None


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark as the page shows it.

    Attributes:
      name: of its file.
      title: of its suite, device and version of jax, in words.
      what: was measured, in words, where the file says it.
      notes: on threads, on what else ran, and on the ceilings.
      made: versions and commit.
      columns: of the table, before the ratio.
      more: columns behind it.
      rows: of the table.
      rooflines: pictures of what was reached beside the ceilings.
      figures: pictures whose names begin with the file's.
    """

    name: str
    title: str
    what: str
    notes: list[str]
    made: str
    columns: list[str]
    more: list[str]
    rows: list[Measured]
    rooflines: list[Markup]
    figures: list[PageImage]


def benchmarks(material: Material, pictures: Pictures) -> list[Benchmark]:
    """Return the benchmarks that were found; one that cannot be understood is left out, named."""
    made = []
    for document in material.benchmarks:
        try:
            made.append(_benchmark(document, pictures))
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            material.left_out.append(f"{document.name}: {type(error).__name__}: {error}")
    return made


def missing(material: Material) -> list[str]:
    """Return the commands of the suites that nothing was found of."""
    there = {document.content.get("suite") for document in material.benchmarks}
    commands = [COMMAND.format(suite, suite) for suite in measured.SUITES if suite not in there]
    return [
        line.replace(" --against=torch", "") if any(f"={name} " in line for name in ALONE) else line
        for line in commands
    ]


def _benchmark(document: Document, pictures: Pictures) -> Benchmark:
    content, folder = document.content, document.path.parent
    device, suite = cell(content["device"]), content.get("suite")
    title = cell(content.get("title") or measured.SUITES.get(suite, suite) or "")
    heading = [f"{title}, on {device}" if title else device]
    versions = content.get("versions")
    if isinstance(versions, dict) and "jax" in versions:
        heading.append(f"jax {cell(versions['jax'])}")
    rows = [row for row in content["results"] if isinstance(row, dict)]
    shown = [measured.short(row) for row in rows]
    names = list(dict.fromkeys(name for row in shown for name in row if name != measured.RATIO))
    same = measured.alike(shown)
    names = [name for name in names if name not in same and name not in ASIDE]
    first, more = ([n for n in names if (n in FIRST) == chosen] for chosen in (True, False))
    stem = document.path.stem
    files = [f for kind in ("png", "gif") for f in sorted(folder.glob(f"*.{kind}"))]
    figures = [
        pictures.add(file, f"{file.stem.replace('_', ' ')}, on {device}", folder)
        for file in files
        if file.stem.startswith(stem)
    ]
    return Benchmark(
        name=document.name,
        title=", ".join(heading),
        what=str(content.get("what", "")),
        notes=measured.notes(content) if suite else [],
        made=cell({name: content[name] for name in ("versions", "commit") if content.get(name)}),
        columns=first,
        more=more,
        rows=[
            Measured(*([cell(one.get(n, "")) for n in part] for part in (first, more)), _ratio(row))
            for row, one in zip(rows, shown, strict=True)
        ],
        rooflines=rooflines(content),
        figures=[figure for figure in figures if figure],
    )


def _ratio(row: dict[str, Any]) -> tuple[float, ...] | None:
    value = row.get("ratio")
    if not isinstance(value, dict):
        return None
    found = tuple(value.get(name) for name in RATIO)
    return found if all(isinstance(x, int | float) for x in found) else None
