"""Measure the error of a run, or of an ensemble of runs, with a protocol.

    python -m cnn_history.evaluate --workdir=runs/lenet5_digits --protocol=single_crop

The data set and its folder default to the first run's. An ensemble averages its members'
probabilities. Classes are matched by name. If network, data set and protocol are a paper's, the
table has the paper's number. `--output=FILE.npz` keeps `probabilities` [n, classes], `labels` [n],
`ids` [n], the indices of the examples in the split, `files` [n], their names (empty if the data set
has none), and `classes`. Photos that cannot be decoded are left out. If probabilities are not
finite, the exit status is 2, after the table.

`single_crop` uses the images that the run itself is tested on. Other protocols cut views from
larger images: of size `--scale`, or of each of `--scales`. `ten_crop` cuts photos of different
sizes to their central squares, as in its paper; the others use whole photos, one at a time.
"""

import functools
import json
import sys

import numpy as np
from absl import flags

from cnn_history import commands, datasets, ensemble, evaluation, papers
from cnn_history.datasets import identity
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import Skipped, TooManySkipped
from cnn_history.errors import UserError, blame
from cnn_history.files import record, shipped, workdir
from cnn_history.files.checkpoint import BEST
from cnn_history.reporting import tables
from cnn_history.training import devices, processes, together

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run; a comma list is an ensemble.")
PROTOCOL = flags.DEFINE_string("protocol", "single_crop", "How to measure the error.")
SCALE = flags.DEFINE_integer(
    "scale", None, "Shorter side of images for ten_crop and dense; default 8/7 of the network's."
)
SCALES = flags.DEFINE_list("scales", None, "The same for crops144, crops150, multi_scale_dense ...")
SOFTMAX_FIRST = flags.DEFINE_bool(
    "softmax_first", False, "Dense: apply softmax at each position, then average positions."
)
DATASET = flags.DEFINE_string("dataset", None, "Data set; the run's own if not given.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the prepared data sets.")
SPLIT = flags.DEFINE_string(
    "split", None, "Split, such as test or train[:1000]; the run's test split if not given."
)
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "Output format.")
OUTPUT = flags.DEFINE_string("output", None, "FILE.npz to write predictions to.")
PER_CLASS = flags.DEFINE_bool("per_class", False, "Also print the errors of each class.")
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "newest", ["newest", BEST], "Checkpoint to use; config.keep_best keeps the best."
)
PROCESSES = commands.process_flags()
flags.mark_flag_as_required("workdir")


def main(argv: list[str]) -> None:
    del argv
    with together.joined(*(flag.value for flag in PROCESSES)):
        _evaluate()


def _evaluate() -> None:
    devices.start()
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    measure = _measure()
    ensemble.check(measure)
    folders = shipped.folders(WORKDIR.value)
    config = workdir.read_config(folders[0])
    source = _source(config.dataset, config.test_split, config.data_dir)
    if processes.count() > 1:
        processes.agree_on_data({"test": identity.of(source)})
    own = not (DATASET.value or SPLIT.value or DATA_DIR.value)
    source = ensemble.matched(folders, source, own)
    if source.left_out and processes.chief():
        print(source.left_out, file=sys.stderr)
    skip = Skipped(config.skipped_images, functools.partial(print, file=sys.stderr))
    best = CHECKPOINT.value == BEST
    try:
        made = ensemble.predictions(
            folders, source, measure, config.eval_batch_size, skip, devices.mesh(), best
        )
    except (TooManySkipped, Unreadable) as error:
        raise UserError(error) from error
    if not processes.chief():
        return
    result = {
        **evaluation.errors(made.probabilities, made.labels),
        "protocol": measure.protocol,
        "dataset": source.name,
        "split": source.split,
        "models": [workdir.read_config(folder).model.name for folder in folders],
        "skipped_images": len(source) - len(made.ids),
    }
    result.setdefault("not_finite", 0)
    if PER_CLASS.value:
        result["per_class"] = evaluation.per_class(made.probabilities, made.labels, source.classes)
    if output:
        names = [source.name_of(i) for i in made.ids] if source.name_of else []
        with open(output, "wb") as file:
            np.savez(
                file,
                **made._asdict(),
                files=np.array(names, str),
                classes=np.array(source.classes, str),
            )
    if FORMAT.value == "json":
        json.dump(record.finite(result), sys.stdout, indent=2)
        print()
    else:
        paper = papers.reported({**config, "dataset": source.name, "test_split": source.split})
        classes = len(source.classes)
        rows = papers.beside(result["models"], source.name, classes, measure.protocol)
        tables.evaluation(result, rows, paper if len(folders) == 1 else None)
    if result["not_finite"]:
        raise UserError(
            f"the probabilities of {result['not_finite']} of {result['count']} images are not "
            f"finite; these count as errors, so the result says little about the network."
        )


def _measure() -> ensemble.Measure:
    """Return the protocol and its options from the flags."""
    scales = SCALES.value
    if scales is not None:
        if not all(scale.isdigit() and int(scale) for scale in scales):
            raise UserError(
                f"--scales: expected whole numbers such as 256,384, got {','.join(scales)}."
            )
        scales = tuple(map(int, scales))
    return ensemble.Measure(PROTOCOL.value, SCALE.value, scales, SOFTMAX_FIRST.value)


def _source(name: str, split: str, data_dir: str) -> datasets.Source:
    """Return the examples of the flags, by default the run's own."""
    name, split = DATASET.value or name, SPLIT.value or split
    if not name:
        raise UserError(
            "--dataset: needed, because an imported network has no data set of its own."
        )
    with blame("--dataset"):
        return datasets.source(name, split, DATA_DIR.value or data_dir)


if __name__ == "__main__":
    commands.run(main)
