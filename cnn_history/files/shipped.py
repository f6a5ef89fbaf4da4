"""The trained networks in this package, by name.

Each is a file of `export_weights` in `trained/`, with config, preprocessing, classes, error and
provenance in the header. The first use of a name unpacks the file into a work directory below
CACHE, so that the name is accepted wherever a work directory is.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jax
import numpy as np
from flax import traverse_util
from safetensors import safe_open
from safetensors.numpy import load_file

from cnn_history.datasets import Source
from cnn_history.datasets.prepare import Preprocessing
from cnn_history.errors import UserError
from cnn_history.files import bucket, private, record, workdir
from cnn_history.files.checkpoint import Checkpoints

TRAINED = pathlib.Path(__file__).with_name("trained")
PACKAGE = pathlib.Path(__file__).parents[1]
ALONE = """
import pathlib, sys
from cnn_history.files import shipped
shipped._unpacked(pathlib.Path(sys.argv[1]))
"""
CACHE = "~/.cache/cnn_history/trained"


def names() -> list[str]:
    """Return the names of the trained networks, sorted."""
    return sorted(path.stem for path in TRAINED.glob("*.safetensors"))


def folder(text: str | os.PathLike) -> bucket.Folder:
    """Return the work directory with a name: an existing one, or that of a shipped network."""
    place = bucket.path(text)
    if os.fspath(text) not in names() or place.exists():
        return place
    return _unpacked(TRAINED / f"{text}.safetensors")


def folders(text: str) -> list[bucket.Folder]:
    """Return the work directories of a comma list, split as in `bucket.paths`."""
    return [folder(place) for place in bucket.paths(text)]


def _unpacked(file: pathlib.Path) -> pathlib.Path:
    """Return the work directory of a shipped file, unpacked on first use."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    cache = pathlib.Path(CACHE).expanduser()
    made = cache / f"{file.stem}-{digest[:12]}"
    if made.exists():
        return made
    if jax.process_count() > 1:
        _unpack_alone(file)
        return made
    try:
        private.make(cache)
        if objection := private.objection(cache):
            raise UserError(f"'{file.stem}' is not unpacked: {objection}.")
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            _write(pathlib.Path(unfinished), file, digest)
            os.rename(unfinished, made)
            os.mkdir(unfinished)  # for TemporaryDirectory to remove
    except OSError as error:
        if not made.exists():  # else another process was first
            raise UserError(f"'{file.stem}' cannot be unpacked: {error}") from error
    return made


def _unpack_alone(file: pathlib.Path) -> None:
    """Unpack in a process of its own: cooperating ones would save together, in one folder."""
    path = filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH")))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(file)],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"'{file.stem}' is not unpacked: {done.stderr.strip().splitlines()[-1]}")


def _write(folder: pathlib.Path, file: pathlib.Path, digest: str) -> None:
    """Write the work directory of an imported network."""
    with safe_open(file, framework="numpy") as opened:
        said = opened.metadata()
    variables = traverse_util.unflatten_dict(load_file(file), sep="/")
    params = variables.pop("params")
    zero = np.zeros((), np.int32)
    state = {"params": params, "model_state": variables, "opt_state": {}}
    state |= {"key": jax.random.key(0), "step": zero, "skipped": zero}
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(0, state)
    inputs, classes = json.loads(said["preprocessing"]), tuple(json.loads(said["classes"]))
    scaled = (np.array(inputs[name], np.float32) for name in ("mean", "std"))
    preprocessing = Preprocessing(inputs["size"], inputs["adapter"], *scaled)
    shape = (inputs["size"], inputs["size"], inputs["channels"])
    source = Source(file.stem, "", classes, shape, 0, read=lambda indices: ([], []))
    workdir.save_inputs(folder, preprocessing, source)
    imported = {"imported": {"file": file.name, "sha256": digest}}
    record.write_json(folder / workdir.CONFIG, {**json.loads(said["config"]), **imported})
