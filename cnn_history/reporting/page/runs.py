"""The runs: curves, errors beside the papers', figures, configs."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from cnn_history.papers import reported
from cnn_history.reporting.page.material import FIGURES, Material, Run
from cnn_history.reporting.page.pictures import PageImage, Pictures
from cnn_history.reporting.page.values import percent
from cnn_history.reporting.reproduction import Reproduction, of_runs

MOST_POINTS = 200  # of a curve
SPLITS = ("train", "test")
CAPTIONS = {
    "curves.png": "Loss and error of {name} over the steps, on the training and the test images.",
    "filters.png": "The filters of the first layer of {name}, each as a small picture.",
    "predictions.png": "Test images with what {name} says of them: its surest mistakes first.",
    "confusion.png": "Confusion matrix of {name}: rows are the labels, columns what it says.",
}


@dataclasses.dataclass(frozen=True)
class ShownRun:
    """A run as the page shows it.

    Attributes:
      name: its folder.
      title: network and data set.
      state: how far it went.
      error: its test error, or None.
      paper: the paper's, with its source, or None.
      facts: name and text.
      figures: pictures.
      config: JSON.
      again: the command that would finish it, or None.
    """

    name: str
    title: str
    state: str
    error: str | None
    paper: str | None
    facts: dict[str, str]
    figures: list[PageImage]
    config: str
    again: str | None


class Row(NamedTuple):
    """Runs that differ in their seed alone, or a kept result, beside the paper's number.

    Attributes:
      name: where it stands.
      network: of the run.
      dataset: of the run.
      found: errors, interval and verdict.
      steps: of training.
      devices: in words.
    """

    name: str
    network: str
    dataset: str
    found: Reproduction
    steps: str
    devices: str


def shown(material: Material, pictures: Pictures) -> list[ShownRun]:
    """Return the runs, each whole."""
    return [run for one in material.runs if (run := _attempt(material, one, pictures))]


def _attempt(material: Material, run: Run, pictures: Pictures) -> ShownRun | None:
    try:
        return _shown(run, pictures)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        material.left_out.append(f"{run.name}: it is no run as `train` leaves it ({error!r})")
        return None


def _shown(run: Run, pictures: Pictures) -> ShownRun:
    config, summary = run.config, run.summary
    network = str(config["model"]["name"])
    done = max((line["step"] for line in run.lines), default=0)
    state = f"finished, {done:,} steps" if summary else f"step {done:,} of {config['steps']:,}"
    error = summary["test"]["top1_error"] if summary else None
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
        }
    paper = reported(config)
    return ShownRun(
        name=run.name,
        title=f"{network} on {config['dataset']}",
        state=state,
        error=None if error is None else percent(error),
        paper=f"{paper.top1:.2f} % ({paper.cited})" if paper else None,
        facts=facts,
        figures=list(_figures(run, pictures)),
        config=json.dumps(config, indent=2, ensure_ascii=False),
        again=None if summary else "the command that began it, once more, goes on where it stopped",
    )


def comparisons(material: Material, pictures: Pictures) -> list[PageImage]:
    """Return the pictures beside documents that say `what` was compared, such as with PyTorch."""
    beside = [(d.path.with_suffix(".png"), d.content["what"]) for d in material.compared]
    made = [pictures.add(f, what, f.parent) for f, what in beside if f.is_file()]
    return [picture for picture in made if picture]


def _figures(run: Run, pictures: Pictures) -> Iterable[PageImage]:
    folder = run.folder / FIGURES
    files = sorted(folder.glob("*.png")) + sorted(folder.glob("*.gif"))
    order = list(CAPTIONS)
    for file in sorted(files, key=lambda f: order.index(f.name) if f.name in order else len(order)):
        caption = CAPTIONS.get(file.name, "{name}: {file}").format(name=run.name, file=file.stem)
        if picture := pictures.add(file, caption, folder):
            yield picture


def table(material: Material) -> list[Row]:
    """Return a row for each group of seeds, for each other finished run, and each kept result."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in material.runs:
        if run.summary:
            path = pathlib.PurePath(run.name)
            seeds = path.name.startswith("seed_")
            name = str(path.parent) if seeds and path.parent.name else run.name
            groups.setdefault((name, str(run.folder.parent if seeds else run.folder)), []).append(
                run
            )
    measured = [
        (name, members[0].summary, members[0].config, [m.summary for m in members])
        for (name, _), members in groups.items()
    ]
    measured += [
        (f"results/{d.name}", d.content, d.content["config"], [d.content]) for d in material.results
    ]
    rows = []
    for name, summary, config, summaries in measured:
        try:
            row = Row(
                name,
                str(summary["model"]),
                str(summary["dataset"]),
                of_runs(config, [one["test"] for one in summaries]),
                f"{summary['steps']:,}",
                str(summary["devices"]),
            )
            rows.append(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            material.left_out.append(f"{name}: {error!r}")
    return sorted(rows, key=lambda row: (row.network, row.dataset, row.name))


def curves(material: Material) -> list[dict]:
    """Return what the chart that compares runs draws: step, loss and error of each split."""
    return [
        {
            "name": run.name,
            **{
                split: _thinned([line for line in run.lines if line.get("split") == split])
                for split in SPLITS
            },
        }
        for run in material.runs
    ]


def _thinned(lines: list[dict]) -> list[list[float]]:
    """Return [step, loss, error in percent] of at most MOST_POINTS lines, the last among them."""
    stride = -(-len(lines) // MOST_POINTS) or 1
    chosen = lines[::-1][::stride][::-1]
    return [
        [line["step"], line["loss"], 100 * line["top1_error"]]
        for line in chosen
        if all(isinstance(line.get(name), int | float) for name in ("step", "loss", "top1_error"))
    ]
