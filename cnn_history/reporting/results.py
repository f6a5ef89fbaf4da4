"""Writes docs/results.md from the files in results/, and adds runs to these.

To write the document:

    python -m cnn_history.reporting.results

To add a finished run, or runs of several seeds, with config, seeds, errors, device, versions and
commit:

    python -m cnn_history.reporting.results runs/lenet5_mnist results/lenet5_mnist.json
"""

import json
import pathlib
import sys

from cnn_history.reporting import benchmarks, compilations, documents, markdown, reproduction

CHECKOUT = pathlib.Path(__file__).parents[2]
RESULTS, DOCUMENT = CHECKOUT / "results", CHECKOUT / "docs" / "results.md"
RECIPES = "recipes_on_photos.json"


def keep(workdir: pathlib.Path, path: pathlib.Path) -> None:
    """Write the result of a work directory to `path`."""
    summary = _read(workdir / "summary.json")
    member = workdir if (workdir / "config.json").exists() else next(workdir.glob("seed_*"))
    config = _read(member / "config.json")
    config.pop("data_dir")  # this path has no meaning on other machines
    path.write_text(json.dumps({"kind": "run", **summary, "config": config}, indent=2) + "\n")


def document(folder: pathlib.Path = RESULTS) -> str:
    """Return the text of docs/results.md, without the parts that have no measurements."""
    kept = {path: _read(path) for path in sorted(folder.glob("*.json"))}
    runs = [result for result in kept.values() if result.get("kind") == "run"]
    templates = documents.environment("cnn_history.reporting", keep_trailing_newline=True)
    return templates.get_template("results.md").render(
        test=reproduction.TEST,
        runs=[(run, reproduction.of_runs(run["config"], [run["test"]])) for run in runs],
        recipes=kept.get(folder / RECIPES),
        studies=[(p.parent.name, _read(p)) for p in sorted(folder.glob("*/results.json"))],
        benchmarks=list(benchmarks.tables(folder / "benchmarks")),
        slices=compilations.table(sorted((folder / "compile").glob("*.json"))),
        processes=[(p.stem, _table(p)) for p in sorted((folder / "processes").glob("*.json"))],
    )


def _read(path: pathlib.Path) -> dict:
    return json.loads(path.read_text())


def _table(path: pathlib.Path) -> str:
    rows = [one for row in _read(path)["rows"] for one in _split(row)]
    names = list(dict.fromkeys(name for row in rows for name in row if name != "commit"))
    cells = [[_text(row.get(name, "")) for name in names] for row in rows]
    return markdown.table([name.replace("_", " ") for name in names], cells)


def _split(row: dict) -> list[dict]:
    """Return a row for each group of values in `row`, joined with the other values."""
    groups = {name: value for name, value in row.items() if isinstance(value, dict)}
    others = {name: value for name, value in row.items() if name not in groups}
    return [{**others, "data": name, **group} for name, group in groups.items()] or [row]


def _text(value) -> str:
    match value:
        case list():
            return "; ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
    return str(value)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        keep(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    else:
        DOCUMENT.write_text(document())
