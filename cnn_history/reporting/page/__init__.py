"""The page: runs, studies, claims and benchmarks for a reader who would rather look than read.

One HTML file and a folder of assets, which a browser opens from the disk; nothing is fetched. The
interactive charts are Chart.js 4.6.1 (MIT), which no Python package ships: vendor/ holds
`npm pack chart.js@4.6.1`'s dist/chart.umd.min.js, unchanged.
"""

import pathlib
import shutil

import jinja2

from cnn_history.reporting.benchmarks import digits
from cnn_history.reporting.page import claims, experiments, history, networks, runs, speed, values
from cnn_history.reporting.page.found import search
from cnn_history.reporting.page.pictures import Pictures

HERE = pathlib.Path(__file__).parent
INDEX, ASSETS = "index.html", "assets"
GENERATOR = '<meta name="generator" content="cnn_history">'
SHIPPED = ("style.css", "page.js", "vendor/chart.umd.min.js", "vendor/LICENSE.chart.md")
LIMIT = 10e6  # bytes of a page that still opens at once


def is_page(folder: pathlib.Path) -> bool:
    """Tell whether a folder holds a page of ours, which another may replace."""
    index = folder / INDEX
    return index.is_file() and GENERATOR in index.read_text(errors="replace")[:2000]


def write(
    searched: list[pathlib.Path], output: pathlib.Path, known: list[str], made: dict[str, str]
) -> list[str]:
    """Write the page of all that lies below the folders `searched` to the folder `output`.

    Args:
      searched: folders; of a claim that lies in several, the last one counts.
      output: a folder that is empty, or holds a page of ours, which is replaced.
      known: names of the studies that there are.
      made: what the page says of its making, such as versions.

    Returns what was left out, a line each, and one on the size where that is too large.
    """
    found = search(*searched)
    unfinished = output / ".unfinished"  # so that a reader never meets half a page
    shutil.rmtree(unfinished, ignore_errors=True)
    assets = unfinished / ASSETS
    assets.mkdir(parents=True)
    for file in SHIPPED:
        shutil.copy(HERE / file, assets)
    pictures = Pictures(assets, found.left_out)
    sections = networks.sections()
    depths = {n.account.model: n.account.depth for _, nets in sections for n in nets}
    studies = experiments.studies(found, pictures)
    text = _templates().get_template(INDEX).render(
        generator=GENERATOR,
        entries=history.ENTRIES,
        ideas=history.IDEAS,
        depths=depths,
        deepest=max(depths[entry.network] for entry in history.ENTRIES if entry.network),
        sections=sections,
        points=networks.plot(sections),
        studies=studies,
        missing_studies=experiments.missing(studies, known),
        claims=claims.claims(found),
        claims_command=claims.COMMAND,
        runs=runs.shown(found, pictures),
        run_rows=runs.table(found),
        curves=runs.curves(found),
        comparisons=runs.comparisons(found, pictures),
        benchmarks=speed.benchmarks(found, pictures),
        missing_benchmarks=speed.missing(found),
        full=speed.FULL,
        left_out=found.left_out,
        made=made,
    )  # fmt: skip
    (unfinished / INDEX).write_text(text, encoding="utf-8")
    shutil.rmtree(output / ASSETS, ignore_errors=True)
    for name in (ASSETS, INDEX):
        (unfinished / name).replace(output / name)
    unfinished.rmdir()
    return [*found.left_out, *_too_large(output)]


def _templates() -> jinja2.Environment:
    """Return templates that escape everything and fail for a name that is not there."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cnn_history.reporting.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cell=values.cell,
        short=values.short,
        percent=values.percent,
        ratio=digits,
    )
    return environment


def _too_large(output: pathlib.Path) -> list[str]:
    files = [output / INDEX, *(output / ASSETS).iterdir()]
    sizes = {file.name: file.stat().st_size for file in files}
    total = sum(sizes.values())
    if total <= LIMIT:
        return []
    largest = sorted(sizes, key=sizes.get)[-3:]
    return [f"the page has {total / 1e6:.1f} MB; {', '.join(largest)} are the largest files"]
