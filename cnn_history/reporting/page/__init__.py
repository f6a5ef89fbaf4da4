"""The web page of runs, studies, claims and benchmarks.

It is one HTML file and a folder of assets, which a browser opens from the disk; nothing is fetched.
The interactive charts are Chart.js 4.6.1 (MIT), which no Python package ships: vendor/ holds
`npm pack chart.js@4.6.1`'s dist/chart.umd.min.js, unchanged.
"""

import pathlib
import shutil
from collections.abc import Iterable

import jinja2

from cnn_history.reporting import documents, reproduction
from cnn_history.reporting.benchmarks import digits
from cnn_history.reporting.page import experiments, history, lectures, networks, runs, speed, values
from cnn_history.reporting.page.material import gather
from cnn_history.reporting.page.pictures import Pictures

HERE = pathlib.Path(__file__).parent
INDEX, ASSETS = "index.html", "assets"
GENERATOR = '<meta name="generator" content="cnn_history">'
SHIPPED = ("style.css", "page.js", "vendor/chart.umd.min.js", "vendor/LICENSE.chart.md")
LIMIT = 10e6  # bytes; a larger page opens slowly


def is_page(folder: pathlib.Path) -> bool:
    """Return whether a folder holds a page that `report` wrote and may replace."""
    index = folder / INDEX
    return index.is_file() and GENERATOR in index.read_text(errors="replace")[:2000]


def write(
    searched: list[pathlib.Path],
    output: pathlib.Path,
    studies: list[str],
    talks: Iterable,
    made: dict[str, str],
) -> list[str]:
    """Write the page of all material below the folders `searched` to the folder `output`.

    Args:
      searched: folders; the last one with a claim decides its content.
      output: a folder that is empty, or holds a page to replace.
      studies: names of all studies.
      talks: the lectures, as in `lecture.LECTURES`.
      made: versions and other facts for the page's footer.

    Returns a line for each file left out, and one if the page is too large.
    """
    material = gather(*searched)
    unfinished = output / ".unfinished"  # so that readers never see half a page
    shutil.rmtree(unfinished, ignore_errors=True)
    assets = unfinished / ASSETS
    assets.mkdir(parents=True)
    for file in SHIPPED:
        shutil.copy(HERE / file, assets)
    pictures = Pictures(assets, material.left_out)
    sections = networks.sections()
    depths = {n.account.model: n.account.depth for _, nets in sections for n in nets}
    shown = experiments.studies(material, pictures)
    text = _templates().get_template(INDEX).render(
        generator=GENERATOR,
        entries=history.ENTRIES,
        ideas=history.IDEAS,
        depths=depths,
        deepest=max(depths[entry.network] for entry in history.ENTRIES if entry.network),
        sections=sections,
        points=networks.plot(sections),
        studies=shown,
        missing_studies=experiments.missing(shown, studies),
        claims=lectures.claims(material, talks),
        claims_command=lectures.COMMAND,
        runs=runs.shown(material, pictures),
        run_rows=runs.table(material),
        reproduction_test=reproduction.TEST,
        curves=runs.curves(material),
        comparisons=runs.comparisons(material, pictures),
        benchmarks=speed.benchmarks(material, pictures),
        missing_benchmarks=speed.missing(material),
        full=speed.FULL,
        left_out=material.left_out,
        made=made,
    )  # fmt: skip
    (unfinished / INDEX).write_text(text, encoding="utf-8")
    shutil.rmtree(output / ASSETS, ignore_errors=True)
    for name in (ASSETS, INDEX):
        (unfinished / name).replace(output / name)
    unfinished.rmdir()
    return [*material.left_out, *_too_large(output)]


def _templates() -> jinja2.Environment:
    """Return the page's templates, which escape all values."""
    environment = documents.environment(__name__, autoescape=True)
    environment.filters |= {"cell": values.cell, "short": values.short, "ratio": digits}
    return environment


def _too_large(output: pathlib.Path) -> list[str]:
    sizes = {file.name: file.stat().st_size for file in (output / ASSETS).iterdir()}
    sizes[INDEX] = (output / INDEX).stat().st_size
    total, largest = sum(sizes.values()), ", ".join(sorted(sizes, key=sizes.get)[-3:])
    said = f"the page is {total / 1e6:.1f} MB large; its largest files are {largest}"
    return [said] if total > LIMIT else []
