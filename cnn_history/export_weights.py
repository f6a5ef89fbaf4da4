"""Write the weights of a run, or of an imported network, for programs without this package.

    python -m cnn_history.export_weights --workdir=runs/resnet20 --output=resnet20.safetensors
    python -m cnn_history.export_weights --workdir=runs/resnet20 --output=resnet20.stablehlo

`.safetensors` has the weights, in torchvision's names if torchvision has the network, otherwise in
ours, with classes, preprocessing and provenance in the header. `.stablehlo` is a program with the
weights, preprocessed images -> logits, that jax can run without this package. Either file is read
back and compared with the network before it gets its name.
"""

import functools
import json
import os
import pathlib

import flax.linen as nn
import jax
import numpy as np
import optax
from absl import flags

from cnn_history import commands, loading, models
from cnn_history.datasets.prepare import Preprocessing
from cnn_history.errors import UserError
from cnn_history.files import record, shipped, workdir
from cnn_history.training import devices
from cnn_history.weights import convert, export, read

BOUND = 1e-5  # largest difference of logits, relative to the largest logit
IMAGES = 2  # images of noise for this comparison

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, or of an imported network.")
OUTPUT = flags.DEFINE_string("output", None, "FILE.safetensors or FILE.stablehlo.")
BATCH = flags.DEFINE_integer(
    "batch", None, "Images per batch of a .stablehlo; any number if not given.", lower_bound=1
)
flags.mark_flags_as_required(["workdir", "output"])


def main(argv: list[str]) -> None:
    del argv
    devices.start()
    output = commands.writable("--output", OUTPUT.value)
    if output.suffix not in WRITERS:
        raise UserError(
            f"--output: expected a name ending with {' or '.join(WRITERS)}, got '{output.name}'."
        )
    if BATCH.value is not None and output.suffix != PROGRAM:
        raise UserError(f"--batch: only for a {PROGRAM} file.")
    folder = shipped.folder(WORKDIR.value)
    network, variables, preprocessing = loading.load(folder)
    variables = jax.tree.map(np.asarray, variables)
    name = workdir.read_config(folder).model.name
    commands.announce(f"writing {name} to {output}; it is then read back and compared")
    unfinished = output.with_name(output.name + ".unfinished")
    try:
        said = WRITERS[output.suffix](folder, network, variables, preprocessing, unfinished)
        os.replace(unfinished, output)
    finally:
        unfinished.unlink(missing_ok=True)
    count = optax.tree.size(variables["params"])
    print(f"{output} holds {workdir.read_config(folder).model.name}, {count:,} parameters, {said}")


def image_of(folder: pathlib.Path, preprocessing: Preprocessing) -> tuple[int, int, int]:
    """Return (h, w, c) of a network's images."""
    _, channels, _ = workdir.load_inputs(folder)
    return preprocessing.size, preprocessing.size, channels


def write_weights(
    folder: pathlib.Path,
    network: nn.Module,
    variables: dict,
    preprocessing: Preprocessing,
    path: pathlib.Path,
) -> str:
    """Write a safetensors file and compare it with the network; return a description."""
    from safetensors.numpy import save_file

    names = export.torchvision_names(workdir.read_config(folder).model.name, network)
    if names is None:
        tensors = export.flat(variables)
    else:
        shape = image_of(folder, preprocessing)
        image = jax.ShapeDtypeStruct((1, *shape), np.float32)
        tensors = export.to_torch(variables, names, models.layers_of(network, image))
    whose = "cnn_history" if names is None else "torchvision"
    save_file(tensors, path, header(folder, preprocessing, whose))
    found = read(path).tensors
    if names is not None:
        found = export.flat(convert(found, {m: p for p, m in names.items()}, variables))
    ours = export.flat(variables)
    if found.keys() != ours.keys() or not all(np.array_equal(found[n], ours[n]) for n in ours):
        raise RuntimeError(f"{path} differs from the network's weights.")
    return f"in the names of {whose}; read back and identical."


def header(folder: pathlib.Path, preprocessing: Preprocessing, whose: str) -> dict[str, str]:
    """Return the header of a file; all values except `format`, `model` and `names` are JSON."""
    config = workdir.config_json(workdir.read_config(folder))
    summary = workdir.read_summary(folder) or {}
    said = {
        "options": {name: value for name, value in config["model"].items() if name != "name"},
        "classes": None if workdir.unnamed(folder) else list(workdir.load_inputs(folder)[2]),
        "preprocessing": {
            "size": preprocessing.size,
            "channels": workdir.load_inputs(folder)[1],
            "adapter": preprocessing.adapter,
            "values": "R, G, B in [0, 1], less mean, over std",
            "mean": np.asarray(preprocessing.mean).tolist(),
            "std": np.asarray(preprocessing.std).tolist(),
        },
        "config": config,
        "test": summary.get("test"),
        "provenance": {
            "imported": config.get("imported"),
            "dataset": config["dataset"],
            "steps": summary.get("steps"),
            "trained_by": {name: summary.get(name) for name in ("versions", "devices", "seconds")},
            "versions": record.versions(),
        },
    }
    texts = {name: json.dumps(value) for name, value in said.items()}
    return {"format": "pt", "model": config["model"]["name"], "names": whose, **texts}


def write_program(
    folder: pathlib.Path,
    network: nn.Module,
    variables: dict,
    preprocessing: Preprocessing,
    path: pathlib.Path,
) -> str:
    """Write an exported program and compare it with the network; return a description."""
    shape, batch = image_of(folder, preprocessing), BATCH.value
    path.write_bytes(export.program(network, variables, shape, batch).serialize())
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    noise = np.random.default_rng(0).integers(0, 256, (batch or IMAGES, *shape), np.uint8)
    images = np.asarray(preprocessing(noise), np.float32)
    apply = jax.jit(functools.partial(network.apply, train=False))
    ours = np.asarray(apply(variables, images))
    difference = np.abs(np.asarray(exported.call(images)) - ours).max() / np.abs(ours).max()
    if not difference <= BOUND:
        raise RuntimeError(f"{path} computes logits with an error of {difference:.1e}.")
    return (
        f"for images [{batch or 'n'}, {', '.join(map(str, shape))}]; read back, its logits differ "
        f"by at most {difference:.1e}. Written by jax {jax.__version__}, calling convention "
        f"{exported.calling_convention_version}; later versions read it by jax.export.deserialize."
    )


PROGRAM = ".stablehlo"
WRITERS = {".safetensors": write_weights, PROGRAM: write_program}

if __name__ == "__main__":
    commands.run(main)
