"""The material of the page: runs, studies, claims, benchmarks and kept results below a folder.

Files are recognized by their structure. Damaged files are left out, and the page names them.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from cnn_history.files.record import read_metrics

CONFIG, METRICS, SUMMARY, FIGURES = "config.json", "metrics.jsonl", "summary.json", "figures"
PASSED_OVER = ("checkpoints", FIGURES)
CLAIM = {"id", "quote", "verdict"}  # required fields of a claim
LARGEST = 32e6  # bytes; larger JSON files are left out


class Run(NamedTuple):
    """One run of `train`, finished if it has a summary.

    Attributes:
      name: its folder, relative to the searched one.
      folder: path of the folder.
      config: the run's config.
      lines: lines of metrics.jsonl.
      summary: summary of a finished run, or None.
    """

    name: str
    folder: pathlib.Path
    config: dict[str, Any]
    lines: list[dict]
    summary: dict[str, Any] | None


class Document(NamedTuple):
    """A JSON document: a study's results, a kept result, or a benchmark.

    Attributes:
      name: path relative to the searched folder.
      path: path of the file.
      content: parsed JSON.
    """

    name: str
    path: pathlib.Path
    content: dict[str, Any]


@dataclasses.dataclass
class Material:
    """Everything found; `left_out` has a line for each file left out, with the reason."""

    runs: list[Run] = dataclasses.field(default_factory=list)
    studies: list[Document] = dataclasses.field(default_factory=list)
    results: list[Document] = dataclasses.field(default_factory=list)
    benchmarks: list[Document] = dataclasses.field(default_factory=list)
    compared: list[Document] = dataclasses.field(default_factory=list)
    claims: dict[str, dict] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)


def gather(*folders: pathlib.Path) -> Material:
    """Return the material below the folders; a later file replaces the claims of an earlier one."""
    material, searched = Material(), set()
    for root in folders:
        for folder in _folders(root):
            if folder.resolve() in searched:  # one lies below the other
                continue
            searched.add(folder.resolve())
            if (folder / CONFIG).is_file() and (folder / METRICS).is_file():
                _add_run(material, root, folder)
                continue
            for path in sorted(folder.glob("*.json")):
                _add_document(material, root, path)
    return material


def _folders(root: pathlib.Path) -> Iterator[pathlib.Path]:
    for folder, inside, _ in os.walk(root):
        inside[:] = sorted(name for name in inside if name not in PASSED_OVER)
        yield pathlib.Path(folder)


def _name(root: pathlib.Path, path: pathlib.Path) -> str:
    return str(path.relative_to(root)) if path != root else root.resolve().name


def _read(material: Material, path: pathlib.Path, name: str) -> Any:
    """Return the parsed JSON, or None for a damaged file."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST / 1e6:.0f} MB")
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        material.left_out.append(f"{name}: {error}")
        return None


def _add_run(material: Material, root: pathlib.Path, folder: pathlib.Path) -> None:
    name = _name(root, folder)
    config, summary = (
        _read(material, folder / file, f"{name}/{file}") if (folder / file).is_file() else None
        for file in (CONFIG, SUMMARY)
    )
    if isinstance(config, dict):
        lines = [line for line in read_metrics(folder) if isinstance(line, dict)]
        material.runs.append(Run(name, folder, config, lines, summary))


def _add_document(material: Material, root: pathlib.Path, path: pathlib.Path) -> None:
    name = _name(root, path)
    document = Document(name, path, _read(material, path, name))
    match document.content:
        case {"study": str(), "rows": list(), "question": str(), "answer": str()}:
            material.studies.append(document)
        case {"device": _, "results": list()}:
            material.benchmarks.append(document)
        case {"kind": "run", "config": dict(), "test": dict()}:
            material.results.append(document)
        case {"what": str()}:
            material.compared.append(document)
        case [{"id": _, "quote": _, "verdict": _}, *_] as rows:
            claims = (row for row in rows if isinstance(row, dict) and set(row) >= CLAIM)
            material.claims.update({str(row["id"]): row for row in claims})
