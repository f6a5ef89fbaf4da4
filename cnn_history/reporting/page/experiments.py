"""The studies: the lecture's question, the figures, the answer, the numbers."""

import collections
import dataclasses
import itertools
import pathlib
from typing import Any

from cnn_history.reporting.page.material import Document, Material
from cnn_history.reporting.page.pictures import PageImage, Pictures
from cnn_history.reporting.page.values import cell

MOST_ROWS = 200  # of a study's table


@dataclasses.dataclass(frozen=True)
class Study:
    """A study as the page shows it.

    Attributes:
      name: of the study.
      title: its name, and its folder where there are several of it.
      place: of its file.
      question: the lecture's.
      answer: what was found.
      figures: with their captions as text.
      columns: of the table.
      rows: of the table, as text.
      more: number of rows that are not shown.
      made: how it was made: config, devices, versions, seconds, as text.
    """

    name: str
    title: str
    place: str
    question: str
    answer: str
    figures: list[PageImage]
    columns: list[str]
    rows: list[list[str]]
    more: int
    made: dict[str, str]


def studies(material: Material, pictures: Pictures) -> list[Study]:
    """Return the studies by name; of two in a folder of one name, that of the last one searched."""
    documents = {document.name: document for document in material.studies}.values()
    times = collections.Counter(document.content["study"] for document in documents)
    made = (
        _study(document, pictures, several=times[document.content["study"]] > 1)
        for document in documents
    )
    return sorted(made, key=lambda study: (study.name, study.place))


def missing(shown: list[Study], known: list[str]) -> list[str]:
    """Return the commands that would make the studies that are not there."""
    there = {study.name for study in shown}
    return [
        f"./launch.sh study --config=experiments/studies/{name}.py --workdir=runs/studies/{name}"
        for name in known
        if name not in there
    ]


def _study(document: Document, pictures: Pictures, several: bool) -> Study:
    content = document.content
    rows = [row for row in content["rows"] if isinstance(row, dict)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    folder = document.path.parent
    captions = _list(content.get("captions"))
    figures = []
    for file, caption in itertools.zip_longest(_list(content.get("figures")), captions):
        if file is not None:
            alt = str(caption or f"{content['study']}: {file}")
            figures.append(pictures.add(folder / str(file), alt, folder))
    title = content["study"].replace("_", " ")
    return Study(
        name=content["study"],
        title=f"{title} ({pathlib.PurePath(document.name).parent})" if several else title,
        place=document.name,
        question=content["question"],
        answer=content["answer"],
        figures=[figure for figure in figures if figure],
        columns=[str(name).replace("_", " ") for name in columns],
        rows=[[cell(row.get(name)) for name in columns] for row in rows[:MOST_ROWS]],
        more=max(0, len(rows) - MOST_ROWS),
        made=_made(content),
    )


def _made(content: dict[str, Any]) -> dict[str, str]:
    versions = content.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    return {
        name: cell(value)
        for name, value in {
            "options": content.get("config"),
            "devices": content.get("devices"),
            "seconds": content.get("seconds"),
            "jax": versions.get("jax"),
            "commit": versions.get("commit"),
        }.items()
        if value
    }


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []
