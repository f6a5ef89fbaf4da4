"""Turn a PyTorch file into a work directory that `evaluate`, `train` and `load` accept.

    python -m cnn_history.import_weights --model=resnet20 --checkpoint=r20.th --workdir=runs/r20

Reads torchvision's `.pth`, `.safetensors`, and CIFAR residual networks in the common naming
(`layer1.0.conv1.weight`). Nothing in the file is executed, and a file that does not fit is refused
with the name of the tensor. `config.init_from=WORKDIR` starts training from it.
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

# What torchvision subtracts and divides by, for values in [0, 1]; its Inceptions want [-1, 1].
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
SYMMETRIC = ("googlenet_bn", "inception_v3")
CIFAR_SIZE = 32
EVAL_BATCH_SIZE = 100

MODEL = flags.DEFINE_string("model", None, "Network: " + ", ".join(sorted(weights.NAMES)) + ".")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "File.pth or file.safetensors.")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder to write; it must not hold a run yet.")
MEAN = flags.DEFINE_list("mean", None, "Of the inputs in [0, 1], a number a channel.")
STD = flags.DEFINE_list("std", None, "Likewise their standard deviation.")
flags.mark_flags_as_required(["model", "checkpoint", "workdir"])


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    devices.start()
    name, folder = MODEL.value, pathlib.Path(WORKDIR.value).expanduser()
    workdir.check_links(folder)
    if (folder / workdir.CONFIG).exists():
        raise UserError(f"--workdir: '{folder}' holds a run already; choose another.")
    checkpoint = pathlib.Path(CHECKPOINT.value).expanduser()
    default = (HALF, HALF) if name in SYMMETRIC else (IMAGENET_MEAN, IMAGENET_STD)
    mean, std = _numbers("mean", MEAN.value, default[0]), _numbers("std", STD.value, default[1])
    if min(std) <= 0:
        raise UserError("--std: not every number is positive.")
    try:
        options, variables = weights.load_torch(checkpoint, name)
    except ValueError as error:
        raise UserError(error) from error
    try:
        private.make(folder)
        with record.lock(folder):
            write(folder, checkpoint, name, options, variables, mean, std)
    except (OSError, record.InUse) as error:
        raise UserError(f"--workdir: {error}") from error
    count = optax.tree.size(variables["params"])
    print(f"{name} with {count:,} parameters from {checkpoint.name} is in {folder}.")


def write(
    folder: pathlib.Path,
    checkpoint: pathlib.Path,
    name: str,
    options: dict,
    variables: dict,
    mean: np.ndarray,
    std: np.ndarray,
) -> None:
    """Write the work directory; its config comes last, and makes it one."""
    shape = models.info(name).input
    size = shape[0]
    adapter = "resize" if size == CIFAR_SIZE else "resize_crop"
    build_options = dict(options)
    classes = tuple(map(str, range(build_options.pop("num_classes"))))
    state = State(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        model_state={kind: tree for kind, tree in variables.items() if kind != "params"},
        opt_state={},
        key=jax.random.key(0),
        skipped=jnp.zeros((), jnp.int32),
    )
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(0, state)
    # The names of the classes are not in the file; their numbers stand for them.
    source = datasets.Source(checkpoint.name, "", classes, shape, 0, read=lambda indices: ([], []))
    workdir.save_inputs(folder, Preprocessing(size, adapter, mean, std), source)
    config = fields.imported()
    config.model.update(name=name, **build_options)
    config.update(image_size=size, adapter=adapter, eval_batch_size=EVAL_BATCH_SIZE)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    imported = {"imported": {"file": checkpoint.name, "sha256": digest}}
    record.write_json(folder / workdir.CONFIG, {**workdir.config_json(config), **imported})


def _numbers(flag: str, given: list[str] | None, default: tuple[float, ...]) -> np.ndarray:
    """Return a number for each channel, as the flag says, or the default."""
    try:
        numbers = [float(text) for text in given] if given is not None else default
    except ValueError:
        raise UserError(f"--{flag}: '{','.join(given)}' are not numbers.") from None
    if len(numbers) != len(default) or not all(map(math.isfinite, numbers)):
        raise UserError(f"--{flag} takes {len(default)} finite numbers, such as 0.5,0.5,0.5.")
    return np.array(numbers, np.float32)


if __name__ == "__main__":
    commands.run(main)
