"""Turn published weights into a work directory that `evaluate`, `train` and `load` accept.

    python -m cnn_history.import_weights --model=resnet20 --checkpoint=r20.th --workdir=runs/r20

Reads files of `torch.save` and `.safetensors` in the names of torchvision, timm, pytorchcv and
pretrainedmodels, CIFAR residual networks in the common naming (`layer1.0.conv1.weight`), and
Caffe's `.caffemodel`. The content of a file determines its format. Nothing in it is executed. A
file that does not fit is refused, with the name of the tensor. `config.init_from=WORKDIR` starts
training from the work directory.
"""

import hashlib
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

from cnn_history import commands, datasets, models, weights
from cnn_history import config as fields
from cnn_history.datasets.prepare import Preprocessing
from cnn_history.errors import UserError
from cnn_history.files import private, record, workdir
from cnn_history.files.checkpoint import Checkpoints
from cnn_history.training import devices
from cnn_history.training.state import State
from cnn_history.weights import Imported, Inputs
from cnn_history.weights.convert import not_finite

EVAL_BATCH_SIZE, CHANNELS = 100, 3

MODEL = flags.DEFINE_string("model", None, "Network: " + ", ".join(sorted(weights.NAMES)) + ".")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "FILE.pth, .safetensors or .caffemodel.")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder to write; it must not hold a run yet.")
KEY = flags.DEFINE_string("key", None, "Key of the weights in a PyTorch file that holds several.")
PROTOTXT = flags.DEFINE_string(
    "prototxt", None, "Definition of a .caffemodel; its constants replace those in the file."
)
MEAN = flags.DEFINE_list(
    "mean", None, "Mean of the inputs, R,G,B, in [0, 1]; for a .caffemodel in 0..255."
)
STD = flags.DEFINE_list("std", None, "Standard deviation of the inputs, in the same form.")
CLASSES = flags.DEFINE_string(
    "classes",
    None,
    "File with the names of the classes, one per line; torchvision sorts classes by wnid.",
)
flags.mark_flags_as_required(["model", "checkpoint", "workdir"])


def main(argv: list[str]) -> None:
    del argv
    devices.start()
    name, folder = MODEL.value, pathlib.Path(WORKDIR.value).expanduser()
    workdir.check_links(folder)
    if (folder / workdir.CONFIG).exists():
        raise UserError(f"--workdir: '{folder}' holds a run already; choose another.")
    checkpoint = pathlib.Path(CHECKPOINT.value).expanduser()
    prototxt = PROTOTXT.value and pathlib.Path(PROTOTXT.value).expanduser()
    given = _numbers("mean", MEAN.value), _numbers("std", STD.value)
    try:
        found = weights.load(checkpoint, name, KEY.value, prototxt)
    except ValueError as error:
        raise UserError(error) from error
    if fault := not_finite(found.variables):
        raise UserError(f"'{checkpoint}': {fault}.")
    inputs = _inputs(found.inputs, *given)
    classes = _classes(CLASSES.value, found.options["num_classes"])
    try:
        private.make(folder)
        with record.lock(folder):
            commands.announce(f"writing {name} from {checkpoint.name} to {folder}")
            write(folder, checkpoint, name, found._replace(inputs=inputs), classes)
    except (OSError, record.InUse) as error:
        raise UserError(f"--workdir: {error}") from error
    count = optax.tree.size(found.variables["params"])
    print(f"{name} with {count:,} parameters from {checkpoint.name} is in {folder}.")
    for line in found.told:
        print(f"  {line}")
    mean, std = (",".join(f"{n:g}" for n in numbers) for numbers in (inputs.mean, inputs.std))
    print(
        f"  images: {inputs.adapter}, R,G,B of 0..{inputs.largest}, mean {mean}, deviation {std};"
    )
    print(f"  the mean is {inputs.source}")


def write(
    folder: pathlib.Path,
    checkpoint: pathlib.Path,
    name: str,
    found: Imported,
    classes: tuple[str, ...],
) -> None:
    """Write the work directory; the config, written last, makes it valid."""
    shape = models.info(name).input
    options, inputs = dict(found.options), found.inputs
    del options["num_classes"]
    if "norm" in options:
        kind, constants = options["norm"]
        options["norm"] = fields.choose("norm", kind, **constants)
    state = State(
        step=jnp.zeros((), jnp.int32),
        params=found.variables["params"],
        model_state={kind: tree for kind, tree in found.variables.items() if kind != "params"},
        opt_state={},
        key=jax.random.key(0),
        skipped=jnp.zeros((), jnp.int32),
    )
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(0, state)
    source = datasets.Source(checkpoint.name, "", classes, shape, 0, read=lambda indices: ([], []))
    scaled = (np.float32(numbers) / inputs.largest for numbers in (inputs.mean, inputs.std))
    workdir.save_inputs(folder, Preprocessing(shape[0], inputs.adapter, *scaled), source)
    config = fields.imported()
    config.model.update(name=name, **options)
    config.update(image_size=shape[0], adapter=inputs.adapter, eval_batch_size=EVAL_BATCH_SIZE)
    with open(checkpoint, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    imported = {"imported": {"file": checkpoint.name, "sha256": digest}}
    record.write_json(folder / workdir.CONFIG, {**workdir.config_json(config), **imported})


def _classes(file: str | None, count: int) -> tuple[str, ...]:
    """Return the names of the classes from a file, or numbers without one."""
    if file is None:
        return tuple(map(str, range(count)))
    try:
        text = pathlib.Path(file).expanduser().read_text()
    except (OSError, ValueError) as error:
        raise UserError(f"--classes: '{file}' cannot be read: {error}") from error
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(names) != count:
        raise UserError(
            f"--classes: expected {count} names, one per line, got {len(names)} in '{file}'."
        )
    return names


def _numbers(flag: str, given: list[str] | None) -> tuple[float, ...] | None:
    """Return the numbers of a flag, one for each channel; None without the flag."""
    if given is None:
        return None
    try:
        numbers = tuple(map(float, given))
    except ValueError:
        raise UserError(f"--{flag}: expected numbers, got '{','.join(given)}'.") from None
    if len(numbers) != CHANNELS or not all(map(math.isfinite, numbers)):
        raise UserError(f"--{flag}: expected {CHANNELS} finite numbers, such as 0.5,0.5,0.5.")
    if flag == "std" and min(numbers) <= 0:
        raise UserError("--std: expected positive numbers.")
    return numbers


def _inputs(
    inputs: Inputs, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> Inputs:
    """Return the published inputs, changed by the flags."""
    if mean is not None:
        beyond = max(mean) > 1 if inputs.largest == 1 else 0 < max(mean) <= 1
        if beyond:
            raise UserError(f"--mean: expected values from 0 to {inputs.largest} for this file.")
        inputs = inputs._replace(mean=mean, source="--mean")
    return inputs if std is None else inputs._replace(std=std)


if __name__ == "__main__":
    commands.run(main)
