"""Measure the error of a run, or of the ensemble of several, by a protocol.

    python -m cnn_history.evaluate --workdir=runs/lenet5_digits --protocol=single_crop

The data set and its folder are the first run's own unless flags name others; an ensemble's
probabilities are the mean of its members'. `--output=FILE.npz` keeps `probabilities` [n, classes],
`labels` [n] and `ids` [n], the indices of the examples in the split.
"""

import json
import pathlib
import sys

import jax
import numpy as np
from absl import flags

from cnn_history import build, commands, datasets, evaluation, workdir
from cnn_history.commands import UserError
from cnn_history.lookup import lookup
from cnn_history.reporting import tables
from cnn_history.training import devices

WORKDIR = flags.DEFINE_list("workdir", None, "Folder of a run; a comma list is an ensemble.")
PROTOCOL = flags.DEFINE_string("protocol", "single_crop", "How the error is measured.")
DATASET = flags.DEFINE_string("dataset", None, "Name of the data set; the run's own if not given.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the prepared data sets.")
SPLIT = flags.DEFINE_string("split", None, "Such as test, or train[:1000]; the run's own test set.")
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
OUTPUT = flags.DEFINE_string("output", None, "File.npz that the predictions are written to.")
flags.mark_flag_as_required("workdir")


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    devices.start()
    output = _writable(OUTPUT.value) if OUTPUT.value else None
    with build.blame("--protocol"):
        protocol = lookup(evaluation.PROTOCOLS, PROTOCOL.value, "protocol")
    folders = [pathlib.Path(folder).expanduser() for folder in WORKDIR.value]
    config = workdir.read_config(folders[0])
    source = _source(config)
    members = [_member(folder, source, protocol) for folder in folders]

    with build.blame("--dataset"):
        images, labels = source.arrays()
    mesh = devices.mesh()
    batch_size = -(-config.eval_batch_size // mesh.size) * mesh.size
    probabilities = np.mean(
        [
            evaluation.over_batches(
                member,
                (images,),
                batch_size,
                lambda array: devices.put(array, devices.over_batch(mesh)),
            )
            for member in members
        ],
        axis=0,
    )
    result = {
        **evaluation.errors(probabilities, labels),
        "protocol": PROTOCOL.value,
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
        tables.evaluation(result, tables.paper_of(config, result["models"][0], source.name))


def _source(config) -> datasets.Source:
    name, split = DATASET.value or config.dataset, SPLIT.value or config.test_split
    if not name:
        raise UserError("--dataset: an imported network has no data set of its own; name one.")
    with build.blame("--dataset"):
        return datasets.source(name, split, DATA_DIR.value or config.data_dir)


def _member(folder: pathlib.Path, source: datasets.Source, protocol):
    """Return images uint8 -> probabilities, compiled; raise UserError if the data do not fit."""
    model, variables, preprocessing = workdir.load(folder)
    _, channels, classes = workdir.load_inputs(folder)
    if len(classes) != len(source.classes):
        raise UserError(
            f"--workdir: '{folder}' knows {len(classes)} classes, {source.name} has "
            f"{len(source.classes)}."
        )
    if channels != source.shape[-1]:
        raise UserError(
            f"--workdir: '{folder}' takes images of {channels} channels, those of {source.name} "
            f"have {source.shape[-1]}."
        )

    def probabilities(images):
        return jax.nn.softmax(model.apply(variables, images, train=False))

    return jax.jit(
        lambda images: protocol(probabilities, preprocessing(images), size=preprocessing.size)
    )


def _writable(path: str) -> pathlib.Path:
    path = pathlib.Path(path).expanduser()
    if not path.parent.is_dir():
        raise UserError(f"--output: the folder '{path.parent}' does not exist.")
    return path


if __name__ == "__main__":
    commands.run(main)
