"""Measure the error of a run, or of the ensemble of several, by a protocol.

    python -m cnn_history.evaluate --workdir=runs/lenet5_digits --protocol=single_crop

The data set and its folder are the first run's own unless flags name others; an ensemble's
probabilities are the mean of its members'. The paper's number stands beside ours where network,
data set and protocol are the paper's. `--output=FILE.npz` keeps `probabilities` [n, classes],
`labels` [n] and `ids` [n], the indices of the examples in the split.

`single_crop` sees what the run itself sees when it measures its error. The other protocols cut
their views from larger images: from those of `--scale`, or at each of `--scales`. Photos of varying
sizes are cut to their central squares for `ten_crop`, as in its paper, and for the others are seen
whole, one at a time.
"""

import functools
import json
import sys

import numpy as np
from absl import flags

from cnn_history import commands, datasets, ensemble, evaluation, papers
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import Skipped, TooManySkipped
from cnn_history.errors import UserError, blame
from cnn_history.files import bucket, workdir
from cnn_history.reporting import tables
from cnn_history.training import devices, processes

WORKDIR = flags.DEFINE_list("workdir", None, "Folder of a run; a comma list is an ensemble.")
PROTOCOL = flags.DEFINE_string("protocol", "single_crop", "How the error is measured.")
SCALE = flags.DEFINE_integer(
    "scale", None, "Shorter side of the images that ten_crop and dense see; 8/7 of the net's own."
)
SCALES = flags.DEFINE_list("scales", None, "Those of crops144, crops150, multi_scale_dense ...")
SOFTMAX_FIRST = flags.DEFINE_bool(
    "softmax_first", False, "Dense: a softmax at each position, then the mean over positions."
)
DATASET = flags.DEFINE_string("dataset", None, "Name of the data set; the run's own if not given.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the prepared data sets.")
SPLIT = flags.DEFINE_string("split", None, "Such as test, or train[:1000]; the run's own test set.")
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
OUTPUT = flags.DEFINE_string("output", None, "File.npz that the predictions are written to.")
PROCESSES = commands.process_flags()
flags.mark_flag_as_required("workdir")


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    processes.join(*(flag.value for flag in PROCESSES))
    devices.start()
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    measure = _measure()
    ensemble.check(measure)
    folders = [bucket.path(folder) for folder in WORKDIR.value]
    config = workdir.read_config(folders[0])
    source = _source(config.dataset, config.test_split, config.data_dir)
    skip = Skipped(config.skipped_images, functools.partial(print, file=sys.stderr))
    try:
        probabilities, labels = ensemble.predictions(
            folders, source, measure, config.eval_batch_size, skip, devices.mesh()
        )
    except (TooManySkipped, Unreadable) as error:
        raise UserError(error) from error
    if not processes.chief():
        return
    result = {
        **evaluation.errors(probabilities, labels),
        "protocol": measure.protocol,
        "dataset": source.name,
        "split": source.split,
        "models": [workdir.read_config(folder).model.name for folder in folders],
    }
    if output:
        with open(output, "wb") as file:
            np.savez(file, probabilities=probabilities, labels=labels, ids=np.arange(len(labels)))
    if FORMAT.value == "json":
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        paper = papers.reported({**config, "dataset": source.name, "test_split": source.split})
        classes = len(source.classes)
        rows = papers.beside(result["models"], source.name, classes, measure.protocol)
        tables.evaluation(result, rows, paper if len(folders) == 1 else None)


def _measure() -> ensemble.Measure:
    """Return what the flags ask for."""
    scales = SCALES.value
    if scales is not None:
        if not all(scale.isdigit() and int(scale) for scale in scales):
            raise UserError(f"--scales: {','.join(scales)} is no comma list of lengths.")
        scales = tuple(map(int, scales))
    return ensemble.Measure(PROTOCOL.value, SCALE.value, scales, SOFTMAX_FIRST.value)


def _source(name: str, split: str, data_dir: str) -> datasets.Source:
    """Return the examples that the flags name, else the run's own."""
    name, split = DATASET.value or name, SPLIT.value or split
    if not name:
        raise UserError("--dataset: an imported network has no data set of its own; name one.")
    with blame("--dataset"):
        return datasets.source(name, split, DATA_DIR.value or data_dir)


if __name__ == "__main__":
    commands.run(main)
