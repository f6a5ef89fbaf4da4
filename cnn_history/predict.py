"""Classify photos without labels.

    python -m cnn_history.predict --workdir=runs/lenet5_digits --images=FOLDER_OR_FILE --top=3

Each photo is shown as one crop, as in a test. Its classes and their probabilities are listed in
descending order. A comma list of work directories is an ensemble. A folder includes its subfolders.
Files that cannot be decoded are named and left out. JSON is a list of `{file, classes,
probabilities}`; CSV has a line per class of a photo.
"""

import csv
import functools
import json
import pathlib
import sys

import numpy as np
from absl import flags

from cnn_history import commands, ensemble
from cnn_history.datasets import folder
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import Skipped, TooManySkipped
from cnn_history.errors import UserError, blame
from cnn_history.files import record, shipped, workdir
from cnn_history.reporting import tables
from cnn_history.training import devices

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run; a comma list is an ensemble.")
IMAGES = flags.DEFINE_string("images", None, "A folder of photos, or one photo.")
TOP = flags.DEFINE_integer("top", 5, "Number of classes per photo.", lower_bound=1)
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json", "csv"], "What is printed.")
flags.mark_flags_as_required(["workdir", "images"])


def main(argv: list[str]) -> None:
    del argv
    devices.start()
    folders = shipped.folders(WORKDIR.value)
    config = workdir.read_config(folders[0])
    _, channels, classes = workdir.load_inputs(folders[0])
    with blame("--images"):
        source = folder.photos(pathlib.Path(IMAGES.value).expanduser(), channels, classes)
    skip = Skipped(config.skipped_images, functools.partial(print, file=sys.stderr))
    batch = min(config.eval_batch_size, len(source))
    try:
        made = ensemble.predictions(
            folders, source, ensemble.Measure(), batch, skip, devices.mesh()
        )
    except (TooManySkipped, Unreadable) as error:
        raise UserError(error) from error
    if source.left_out:
        print(source.left_out, file=sys.stderr)
    names = [source.name_of(i) for i in made.ids]
    _print(list(map(functools.partial(_row, classes), names, made.probabilities)))
    if bad := np.count_nonzero(~np.isfinite(made.probabilities).all(-1)):
        raise UserError(f"the probabilities of {bad} of {len(names)} photos are not finite.")


def _row(classes: tuple[str, ...], name: str, probabilities: np.ndarray) -> dict:
    likeliest = np.argsort(-probabilities, kind="stable")[: TOP.value]
    if not np.isfinite(probabilities).all():
        likeliest = []  # such a photo has none
    return {
        "file": name,
        "classes": [classes[i] for i in likeliest],
        "probabilities": [float(probabilities[i]) for i in likeliest],
    }


def _print(rows: list[dict]) -> None:
    if FORMAT.value == "json":
        json.dump(record.finite(rows), sys.stdout, indent=2)
        print()
        return
    if FORMAT.value == "table":
        tables.rows([_flat(row) for row in rows])
        return
    lines = csv.writer(sys.stdout)
    lines.writerow(["file", "class", "probability"])
    for row in rows:
        for name, share in zip(row["classes"], row["probabilities"], strict=True):
            lines.writerow([row["file"], name, share])


def _flat(row: dict) -> dict[str, str]:
    pairs = enumerate(zip(row["classes"], row["probabilities"], strict=True), start=1)
    return {"file": row["file"], **{str(k): f"{name} {share:.1%}" for k, (name, share) in pairs}}


if __name__ == "__main__":
    commands.run(main)
