"""Run a study: an experiment of the lecture that is not plain training.

    python -m cnn_history.study --config=experiments/studies/NAME.py --workdir=runs/studies/NAME

It prints a table and an answer, and writes results.json and figures to the work directory.
"""

import json
import math
import pathlib
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
KEPT = commands.CHECKOUT / "results"

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
            said = (
                f"the study {config.study}, on {record.devices()}{_before(config.study, options)}"
            )
            commands.announce(f"{said}; results.json and figures go to {folder}")
            begun = time.monotonic()
            findings = run(**options)
            keep(folder, config.study, options, findings, time.monotonic() - begun)
    tables.rows(findings.rows)
    print()
    for text in (f"The lecture: {findings.question}", f"Here: {findings.answer}"):
        print(textwrap.fill(text, 100))
    print(f"\nresults.json and figures are in {folder}.")


def _before(name: str, options: dict) -> str:
    """Return the time that the same study took for the checkout's results; "" if unknown."""
    try:
        kept = json.loads((KEPT / name / RESULTS).read_text())
        same = kept["config"] == json.loads(json.dumps(options))
        return f"; it took {kept['seconds']:.0f} s on {kept['devices']} before" if same else ""
    except (OSError, ValueError, KeyError):
        return ""


def _study(options: dict):
    """Remove `study` from the options and return its `run`; raise UserError for wrong options."""
    if "study" not in options:
        raise UserError("--config: not a study; studies are in experiments/studies.")
    with blame("config.study"):
        run = lookup(studies.STUDIES, options.pop("study"), "study").run
    choices.check_arguments(options, run)
    return run


def keep(
    folder: pathlib.Path, name: str, options: dict, findings: Findings, seconds: float
) -> None:
    """Draw the figures and write results.json."""
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
    """Return a value for JSON: NumPy numbers as Python's, None for those that are not finite."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    commands.run(main)
