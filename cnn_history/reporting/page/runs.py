"""Runs on the page: curves, comparison with the papers, figures and configs."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

from cnn_history.papers import reported
from cnn_history.reporting.page.material import FIGURES, Material, Run
from cnn_history.reporting.page.pictures import PageImage, Pictures
from cnn_history.reporting.page.values import percent
from cnn_history.reporting.reproduction import of_runs

MOST_POINTS = 200  # per curve
SPLITS = ("train", "test")
POINT = ("step", "loss", "top1_error")
WRONG = (KeyError, TypeError, ValueError, AttributeError)  # raised for damaged runs
CAPTIONS = {
    "curves.png": "Loss and error of {name} by step, on training and test images.",
    "filters.png": "The filters of the first layer of {name}, each as a small image.",
    "predictions.png": "Test images with the predictions of {name}, most confident errors first.",
    "confusion.png": "Confusion matrix of {name}: rows are labels, columns are predictions.",
}


def shown(material: Material, pictures: Pictures) -> list[dict[str, Any]]:
    """Return the runs; a damaged one is left out, with a line in `left_out`."""
    made = []
    for run in material.runs:
        try:
            made.append(_shown(run, pictures))
        except WRONG as error:
            why = f"not a run written by `train` ({error!r})"
            material.left_out.append(f"{run.name}: {why}")
    return made


def _shown(run: Run, pictures: Pictures) -> dict[str, Any]:
    """Return a run as the page shows it, as text.

    `title` has network and data set, `state` the steps done, `error` the test error and `paper` the
    paper's, or None. `facts` has further values by name.
    """
    config, summary, paper = run.config, run.summary, reported(run.config)
    error = percent(summary["test"]["top1_error"]) if summary else None
    done = max((line["step"] for line in run.lines), default=0)
    state = f"finished, {done:,} steps" if summary else f"step {done:,} of {config['steps']:,}"
    facts = {}
    if summary:
        facts = {
            "parameters": f"{summary['parameters']:,}",
            "test images": f"{summary['test']['count']:,}",
            "time": f"{summary['seconds']:,.0f} s",
            "images per second": f"{summary['images_per_second']:,.0f}",
            "devices": str(summary["devices"]),
            "jax": str(summary["versions"].get("jax", "")),
            "commit": str(summary["versions"].get("commit", "")),
            "made in parts": _parts(summary.get("parts", [])),
        }
    return {
        "name": run.name,
        "title": f"{config['model']['name']} on {config['dataset']}",
        "state": state,
        "finished": bool(summary),
        "error": error,
        "paper": f"{paper.top1:.2f} % ({paper.cited})" if paper else None,
        "facts": facts,
        "figures": list(filter(None, _figures(run, pictures))),
        "config": json.dumps(config, indent=2, ensure_ascii=False),
    }


def _parts(parts: list[dict]) -> str:
    """Describe versions and devices of each part of a resumed run; "" for a run in one part."""
    if len(parts) < 2:
        return ""
    said = []
    for part in parts:
        versions = part.get("versions", {})
        made = [f"jax {versions['jax']}", versions["commit"], part["devices"]] if versions else []
        until = f"for {part['steps']:,} steps" if "steps" in part else "by an earlier version"
        said.append(", ".join([f"from step {part['from']:,} {until}", *filter(None, made)]))
    return "; ".join(said)


def comparisons(material: Material, pictures: Pictures) -> list[PageImage]:
    """Return the figures of comparisons, such as with PyTorch; their JSON has `what`."""
    beside = [(d.path.with_suffix(".png"), d.content["what"]) for d in material.compared]
    made = (
        pictures.add(f, f"{what[:1].upper()}{what[1:]}.", f.parent)
        for f, what in beside
        if f.is_file()
    )
    return list(filter(None, made))


def _figures(run: Run, pictures: Pictures) -> Iterator[PageImage | None]:
    folder, order = run.folder / FIGURES, list(CAPTIONS)
    files = sorted(folder.glob("*.png")) + sorted(folder.glob("*.gif"))
    for file in sorted(files, key=lambda f: order.index(f.name) if f.name in order else len(order)):
        caption = CAPTIONS.get(file.name, "{name}: {file}").format(name=run.name, file=file.stem)
        yield pictures.add(file, caption, folder)


def table(material: Material) -> list[dict[str, Any]]:
    """Return a row for each group of seeds, each other finished run and each kept result.

    Runs of a group differ only in their seed. `name` is the folder, and `found` has errors,
    interval and verdict.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in filter(lambda run: run.summary, material.runs):
        path = pathlib.PurePath(run.name)
        seeds = path.name.startswith("seed_")
        name = str(path.parent) if seeds and path.parent.name else run.name
        key = name, str(run.folder.parent if seeds else run.folder)
        groups.setdefault(key, []).append(run)
    measured = [
        (name, [m.summary for m in runs], runs[0].config) for (name, _), runs in groups.items()
    ]
    measured += [(f"results/{d.name}", [d.content], d.content["config"]) for d in material.results]
    rows = []
    for name, summaries, config in measured:
        try:
            first = summaries[0]
            row = {part: str(first[part]) for part in ("model", "dataset", "devices")}
            row |= {"name": name, "steps": f"{first['steps']:,}"}
            rows.append(row | {"found": of_runs(config, [one["test"] for one in summaries])})
        except WRONG as error:
            material.left_out.append(f"{name}: {error!r}")
    return sorted(rows, key=lambda row: (row["model"], row["dataset"], row["name"]))


def curves(material: Material) -> list[dict]:
    """Return the data of the chart of all runs: step, loss and error of each split."""
    return [
        {"name": run.name}
        | {split: _thinned([x for x in run.lines if x.get("split") == split]) for split in SPLITS}
        for run in material.runs
    ]


def _thinned(lines: list[dict]) -> list[list[float]]:
    """Return [step, loss, error in percent] of at most MOST_POINTS lines, including the last."""
    stride = -(-len(lines) // MOST_POINTS) or 1
    chosen = lines[::-1][::stride][::-1]
    return [
        [line["step"], line["loss"], 100 * line["top1_error"]]
        for line in chosen
        if all(isinstance(line.get(name), int | float) for name in POINT)
    ]
