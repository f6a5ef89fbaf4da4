"""Run a study: an experiment of the lecture that is not plain training.

    python -m cnn_history.study --config=experiments/studies/NAME.py --workdir=runs/studies/NAME

It prints a table and an answer, and writes results.json and figures to the work directory.
"""

import math
import pathlib
import sys
import textwrap
import time

import numpy as np
from absl import flags
from ml_collections import config_flags

from cnn_history import choices, commands, studies
from cnn_history.errors import UserError, blame
from cnn_history.files import private, record
from cnn_history.lookup import lookup
from cnn_history.reporting import tables
from cnn_history.studies import Findings
from cnn_history.training import devices

RESULTS, FIGURES = "results.json", "figures"

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Study, experiments/studies/NAME.py[:ARG]."
)
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the results; created if missing.")
flags.mark_flags_as_required(["config", "workdir"])


def main(argv: list[str]) -> None:
    devices.start()
    config, folder = CONFIG.value, pathlib.Path(WORKDIR.value).expanduser()
    options = config.to_dict()
    run = _study(options)
    taken = PermissionError, NotADirectoryError, FileExistsError, record.InUse
    with blame("--workdir", taken):
        private.make(folder)
        with record.lock(folder):
            said = f"the study {config.study}, on {record.devices()}"
            print(f"{said}; results.json and figures go to {folder}", file=sys.stderr, flush=True)
            begun = time.monotonic()
            findings = run(**options)
            keep(folder, config.study, options, findings, time.monotonic() - begun)
    tables.rows(findings.rows)
    print()
    for text in (f"The lecture: {findings.question}", f"Here: {findings.answer}"):
        print(textwrap.fill(text, 100))
    print(f"\nresults.json and figures are in {folder}.")


def _study(options: dict):
    """Remove `study` from the options and return it; raise UserError for options it lacks."""
    if "study" not in options:
        raise UserError("--config: this is not a study; studies are in experiments/studies.")
    with blame("config.study"):
        run = lookup(studies.STUDIES, options.pop("study"), "study").run
    choices.check_arguments(options, run)
    return run


def keep(
    folder: pathlib.Path, name: str, options: dict, findings: Findings, seconds: float
) -> None:
    """Draw the pictures and write results.json."""
    for file, picture in findings.pictures.items():
        picture.draw(folder / FIGURES / file)
    record.write_json(
        folder / RESULTS,
        {
            "study": name,
            "question": findings.question,
            "answer": findings.answer,
            "rows": [{key: _plain(value) for key, value in row.items()} for row in findings.rows],
            "figures": [f"{FIGURES}/{file}" for file in findings.pictures],
            "captions": [picture.caption for picture in findings.pictures.values()],
            "config": options,
            "seconds": seconds,
            "versions": record.versions(),
            "devices": record.devices(),
        },
    )


def _plain(value):
    """Return a value as JSON allows it: NumPy's numbers as Python's, None for non-finite ones."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    commands.run(main)
