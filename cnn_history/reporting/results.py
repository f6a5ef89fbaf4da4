"""What was measured, as docs/results.md.

    python -m cnn_history.reporting.results

writes the document from the files in results/.

    python -m cnn_history.reporting.results runs/lenet5_mnist results/lenet5_mnist.json

keeps a finished run (or one of several seeds) there: config, seeds, errors, device, versions,
commit.
"""

import json
import pathlib
import sys
from collections.abc import Iterator

from cnn_history.reporting import benchmarks, markdown, reproduction

CHECKOUT = pathlib.Path(__file__).parents[2]
RESULTS, DOCUMENT = CHECKOUT / "results", CHECKOUT / "docs" / "results.md"
HEAD = """\
# Results

Made by `./launch.sh python -m cnn_history.reporting.results` from the files in `results/`, each of
which has its config, seeds, device, versions and commit. Do not edit it.
"""
RECIPES = "recipes_on_photos"


def keep(workdir: pathlib.Path, path: pathlib.Path) -> None:
    """Write the result of a work directory to `path`."""
    summary = json.loads((workdir / "summary.json").read_text())
    member = workdir if (workdir / "config.json").exists() else next(workdir.glob("seed_*"))
    config = json.loads((member / "config.json").read_text())
    config.pop("data_dir")  # where the data stood is of no use elsewhere
    path.write_text(json.dumps({"kind": "run", **summary, "config": config}, indent=2) + "\n")


def document(folder: pathlib.Path = RESULTS) -> str:
    """Return docs/results.md; a part of which nothing was measured is left out."""
    parts = [HEAD, *_runs(folder), *_recipes(folder), *_studies(folder), *_benchmarks(folder)]
    return "\n".join([*parts, *_processes(folder)])


def _runs(folder: pathlib.Path) -> Iterator[str]:
    rows = []
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        if result.get("kind") != "run":
            continue
        found = reproduction.of_runs(result["config"], [result["test"]])
        paper, deviation = found.paper, found.deviation
        rows.append(
            (
                *(result["model"], result["dataset"], result["config"]["optimizer"]["name"]),
                f"{paper.top1:.2f} ({paper.cited})" if paper else "–",
                *(len(found.errors), f"{found.mean:.2f}"),
                "–" if deviation is None else f"{deviation:.2f}",
                *(f"{found.low:.2f} to {found.high:.2f}", f"{min(found.errors):.2f}"),
                *(found.verdict, f"{result['steps']:,}", f"{result['seconds']:,.0f} s"),
                result["devices"],
            )
        )
    names = "network", "data", "trained by", "the paper's error, %", "n", "mean, %", "s.d."
    names += "95 %", "best of n", "verdict", "steps", "time a run", "on"
    if rows:
        yield f"## Runs beside their papers\n\n{reproduction.TEST}\n"
        yield markdown.table(names, rows) + "\n"


def _recipes(folder: pathlib.Path) -> Iterator[str]:
    path = folder / f"{RECIPES}.json"
    if not path.is_file():
        return
    result = json.loads(path.read_text())
    rows = [
        (
            *(row["network"], row.get("steps", "–"), row.get("batch_size", "–")),
            " ".join((row["protocol"].replace("_", " "), *row["options"])),
            *(row["count"], f"{row['top1_error']:.1%}", f"{row['low']:.1%} to {row['high']:.1%}"),
        )
        for row in result["rows"]
    ]
    names = "network", "steps", "batch", "protocol", "photos", "top-1 error", "95 %, binomial"
    yield "## ImageNet recipes, trained for ten minutes\n"
    yield (
        "On 1,200 photos of Imagenette's ten classes, from the papers' initializations and at "
        f"their rates; the error of guessing is {result['chance']:.0%}. {result['note']}\n"
    )
    yield markdown.table(names, rows) + "\n"


def _studies(folder: pathlib.Path) -> Iterator[str]:
    paths = sorted(folder.glob("*/results.json"))
    if paths:
        yield "## Studies\n"
    for path in paths:
        study, name = json.loads(path.read_text()), path.parent.name
        yield f"### {name}\n\n> {study['question']}\n\n{study['answer']}\n"
        yield f"[Rows and figures](../results/{name}), made in {study['seconds']:,.0f} s.\n"


def _benchmarks(folder: pathlib.Path) -> Iterator[str]:
    if tables := list(benchmarks.tables(folder / "benchmarks")):
        yield "## Speed\n"
        yield "\n\n".join(tables) + "\n"


def _processes(folder: pathlib.Path) -> Iterator[str]:
    paths = sorted((folder / "processes").glob("*.json"))
    if paths:
        yield "## Several processes\n\n[docs/pod.md](pod.md) says how each was measured.\n"
    for path in paths:
        result = json.loads(path.read_text())
        rows = [one for row in result["rows"] for one in _split(row)]
        names = list(dict.fromkeys(name for row in rows for name in row if name != "commit"))
        yield f"### {path.stem.capitalize()}\n"
        cells = [[_text(row.get(name, "")) for name in names] for row in rows]
        yield markdown.table([name.replace("_", " ") for name in names], cells) + "\n"


def _split(row: dict) -> list[dict]:
    """Return a row for each group of values in it, which has the others too."""
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
