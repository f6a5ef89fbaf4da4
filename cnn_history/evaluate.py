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
import inspect
import json
import pathlib
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from cnn_history import commands, datasets, errors, evaluation, loading, models, papers
from cnn_history.datasets import examples, preprocessing
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import Skipped, TooManySkipped
from cnn_history.errors import UserError
from cnn_history.files import bucket, workdir
from cnn_history.lookup import lookup
from cnn_history.reporting import tables
from cnn_history.training import devices, feed, processes

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
SQUARE = ("single_crop", "ten_crop")  # see no more than the central square of a photo
PROCESSES = commands.process_flags()
flags.mark_flag_as_required("workdir")


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    processes.join(*(flag.value for flag in PROCESSES))
    devices.start()
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    protocol = _protocol()
    folders = [bucket.path(folder) for folder in WORKDIR.value]
    config = workdir.read_config(folders[0])
    source = _source(config)
    mesh = devices.mesh()
    skip = Skipped(config.skipped_images, functools.partial(print, file=sys.stderr))
    batch_size = -(-config.eval_batch_size // mesh.size) * mesh.size
    try:
        members = [_member(folder, source, protocol, skip, mesh) for folder in folders]
        made = [
            feed.over_examples(predict, chosen, batch_size, mesh)
            if chosen
            else feed.one_by_one(predict, source, mesh)
            for predict, chosen in members
        ]
    except (TooManySkipped, Unreadable) as error:
        raise UserError(error) from error
    probabilities, labels = np.mean([m["probabilities"] for m in made], axis=0), made[0]["label"]
    if not processes.chief():
        return
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
        paper = papers.reported({**config, "dataset": source.name, "test_split": source.split})
        rows = papers.beside(result["models"], source.name, len(source.classes), PROTOCOL.value)
        tables.evaluation(result, rows, paper if len(folders) == 1 else None)


def _protocol() -> Callable:
    """Return the protocol with its scales; raise UserError where flags do not fit it."""
    with errors.blame("--protocol"):
        protocol = lookup(evaluation.PROTOCOLS, PROTOCOL.value, "protocol")
    takes_scales = "scales" in inspect.signature(protocol).parameters
    if SCALE.value is not None and takes_scales:
        raise UserError(f"--scale: {PROTOCOL.value} makes its own; --scales=256,... sets them.")
    if SOFTMAX_FIRST.value and "dense" not in PROTOCOL.value:
        raise UserError(f"--softmax_first: {PROTOCOL.value} has no positions; dense has.")
    if SCALES.value is None:
        return protocol
    if not takes_scales:
        raise UserError(f"--scales: {PROTOCOL.value} has one scale; --scale=256 sets it.")
    if not all(scale.isdigit() and int(scale) for scale in SCALES.value):
        raise UserError(f"--scales: {','.join(SCALES.value)} is no comma list of lengths.")
    return functools.partial(protocol, scales=tuple(map(int, SCALES.value)))


def _source(config) -> datasets.Source:
    name, split = DATASET.value or config.dataset, SPLIT.value or config.test_split
    if not name:
        raise UserError("--dataset: an imported network has no data set of its own; name one.")
    with errors.blame("--dataset"):
        return datasets.source(name, split, DATA_DIR.value or config.data_dir)


def _member(
    folder: pathlib.Path, source: datasets.Source, protocol: Callable, skip: Skipped, mesh
) -> tuple[Callable, examples.Examples | None]:
    """Return (batch -> `probabilities` and `label`, examples); raise UserError for a misfit.

    No examples where the images are to be seen whole, one at a time.
    """
    model, variables, scaling = loading.load(folder)
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
    everywhere = devices.replicated(mesh)
    apply = models.scores_by_position if SOFTMAX_FIRST.value else _scores

    options = devices.compiler_options(training=False)

    @functools.partial(jax.jit, out_shardings=everywhere, compiler_options=options)
    def probabilities(variables, unit):
        return jax.nn.softmax(apply(model, variables, scaling.values(unit)))

    start = jax.jit(functools.partial(_start, scaling=scaling))

    def evaluated(probabilities, images):
        return protocol(probabilities, start(images), size=scaling.size)

    chosen, one = None, (scaling.size, scaling.size, channels)  # any is scaled
    if not (examples.streamed(source) and PROTOCOL.value not in SQUARE):
        with errors.blame("--dataset"):
            chosen = examples.examples(source, *_seen(scaling), skip)
        one = chosen.shape
    with errors.blame("--protocol"):  # do the views fit? the network is not asked
        shape = jax.ShapeDtypeStruct((1, *one), jnp.uint8)
        jax.eval_shape(functools.partial(evaluated, lambda view: view[:, 0, 0]), shape)
    variables = devices.put(variables, everywhere)

    def predict(batch):
        made = evaluated(functools.partial(probabilities, variables), batch["image"])
        return {"probabilities": made, "label": batch["label"]}

    return predict, chosen


def _seen(scaling: preprocessing.Preprocessing) -> tuple[int, str]:
    """Return size and adapter of streamed images."""
    if PROTOCOL.value == "single_crop" and SCALE.value is None:
        return scaling.size, scaling.adapter
    return _scale(scaling), "square"


def _scale(scaling: preprocessing.Preprocessing) -> int:
    return SCALE.value or round(scaling.size * preprocessing.MARGIN)


def _scores(model, variables: dict, images: jax.Array) -> jax.Array:
    return model.apply(variables, images, train=False)


def _start(images: jax.Array, scaling: preprocessing.Preprocessing) -> jax.Array:
    """uint8 [n, h, w, c] -> in [0, 1], at the scale that the protocol starts from."""
    if PROTOCOL.value == "single_crop" and SCALE.value is None:
        return preprocessing.unit_range(images, scaling.size, scaling.adapter)
    unit = images.astype(float) / 255
    if "scales" in inspect.signature(evaluation.PROTOCOLS[PROTOCOL.value]).parameters:
        return unit
    return evaluation.at_scale(unit, _scale(scaling))


if __name__ == "__main__":
    commands.run(main)
