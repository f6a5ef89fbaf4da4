"""Measure the error of a run, or of the ensemble of several, by a protocol.

    python -m cnn_history.evaluate --workdir=runs/lenet5_digits --protocol=single_crop

The data set and its folder are the first run's own unless flags name others; an ensemble's
probabilities are the mean of its members'. Classes are matched by name. The paper's number stands
beside ours where network, data set and protocol are the paper's. `--output=FILE.npz` keeps
`probabilities` [n, classes], `labels` [n], `ids` [n], the indices of the examples in the split,
`files` [n], their names (none where the data set has none), and `classes`. Photos that cannot be
decoded are left out. Where probabilities were not finite, the status is 2 after the table.

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
from cnn_history.datasets import identity
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import Skipped, TooManySkipped
from cnn_history.errors import UserError, blame
from cnn_history.files import record, shipped, workdir
from cnn_history.files.checkpoint import BEST
from cnn_history.reporting import tables
from cnn_history.training import devices, processes, together

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run; a comma list is an ensemble.")
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
PER_CLASS = flags.DEFINE_bool("per_class", False, "Also the errors of each class.")
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "newest", ["newest", BEST], "Which one; config.keep_best keeps the best."
)
PROCESSES = commands.process_flags()
flags.mark_flag_as_required("workdir")


def main(argv: list[str]) -> None:
    """Run the verb."""
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
            "finite: they are counted as errors, and the network is of no use as it is."
        )


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
