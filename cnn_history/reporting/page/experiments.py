"""The studies: the lecture's question, the figures, the answer, the numbers."""

import collections
import itertools
import pathlib
from typing import Any

from cnn_history.reporting.page.material import Document, Material
from cnn_history.reporting.page.pictures import Pictures
from cnn_history.reporting.page.values import cell

MOST_ROWS = 200  # of a study's table
COMMAND = "./launch.sh study --config=experiments/studies/{0}.py --workdir=runs/studies/{0}"


def studies(material: Material, pictures: Pictures) -> list[dict[str, Any]]:
    """Return the studies sorted by name; a later document replaces one with the same path."""
    documents = {document.name: document for document in material.studies}.values()
    times = collections.Counter(document.content["study"] for document in documents)
    made = (
        _study(document, pictures, several=times[document.content["study"]] > 1)
        for document in documents
    )
    return sorted(made, key=lambda study: (study["name"], study["place"]))


def missing(shown: list[dict], known: list[str]) -> list[str]:
    """Return the commands that run the missing studies."""
    there = {study["name"] for study in shown}
    return [COMMAND.format(name) for name in known if name not in there]


def _study(document: Document, pictures: Pictures, several: bool) -> dict[str, Any]:
    """Return a study as the page shows it.

    `title` includes the folder if a study was run several times, `place` is the path of the file,
    `columns` and `rows` are text, `more` is the number of rows not shown, and `made` has config,
    devices, versions and seconds.
    """
    content, folder = document.content, document.path.parent
    name, title = content["study"], content["study"].replace("_", " ")
    rows = [row for row in content["rows"] if isinstance(row, dict)]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    files, captions = (_list(content.get(part)) for part in ("figures", "captions"))
    figures = (
        pictures.add(folder / str(file), str(caption or f"{name}: {file}"), folder)
        for file, caption in itertools.zip_longest(files, captions)
        if file is not None
    )
    versions = content.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    made = {"options": content.get("config")}
    made |= {part: content.get(part) for part in ("devices", "seconds")}
    made |= {part: versions.get(part) for part in ("jax", "commit")}
    return {
        "name": name,
        "title": f"{title} ({pathlib.PurePath(document.name).parent})" if several else title,
        "place": document.name,
        "question": content["question"],
        "answer": content["answer"],
        "figures": list(filter(None, figures)),
        "columns": [str(column).replace("_", " ") for column in columns],
        "rows": [[cell(row.get(column)) for column in columns] for row in rows[:MOST_ROWS]],
        "more": max(0, len(rows) - MOST_ROWS),
        "made": {part: cell(value) for part, value in made.items() if value},
    }


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []
