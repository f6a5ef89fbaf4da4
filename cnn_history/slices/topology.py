"""Describe slices and servers to XLA, for compiling on a machine without TPUs or GPUs."""

import contextlib
import importlib.metadata
import importlib.resources
import importlib.util
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence

import jax

from cnn_history.errors import UserError
from cnn_history.lookup import nearest
from cnn_history.slices.chips import CHIPS, Chip

NAME = re.compile(r"(?P<kind>\w+):(?P<sides>\d+(x\d+)*)")
# libtpu reads these variables when it is loaded. Without them, its lock file would make a second
# process fail, and it would query a Google Cloud server about this machine.
ENVIRONMENT = {"ALLOW_MULTIPLE_LIBTPU_LOAD": "true", "TPU_SKIP_MDS_QUERY": "1"}
EXTRA = {"tpu": "compile", "cuda": "compile_gpu"}
NEEDED = {"tpu": "libtpu", "cuda": "jax_cuda13_plugin"}
SERVER = 8  # GPUs per host


def parse(name: str) -> tuple[Chip, tuple[int, ...]]:
    """Return the chip and the sides of a topology such as v5e:2x4; raise UserError if malformed."""
    match = NAME.fullmatch(name)
    if not match:
        raise UserError(
            f"--topology: expected KIND:SIDES, such as v5e:2x4, v5p:2x2x2 or h100:8, got '{name}'; "
            f"kinds are {', '.join(CHIPS)}."
        )
    if match["kind"] not in CHIPS:
        raise UserError(
            f"--topology: unknown kind '{match['kind']}'; {nearest(match['kind'], CHIPS)}"
        )
    chip, sides = CHIPS[match["kind"]], tuple(map(int, match["sides"].split("x")))
    if len(sides) != chip.dimensions:
        example = "x".join("2" * chip.dimensions)
        raise UserError(
            f"--topology: a slice of {chip.kind} has {chip.dimensions} sides, such as "
            f"{chip.kind}:{example}; got {len(sides)}."
        )
    if not (count := math.prod(sides)):
        raise UserError(f"--topology: '{name}' has a side of 0 chips.")
    if chip.target and count > SERVER and count % SERVER:
        raise UserError(
            f"--topology: expected up to {SERVER} GPUs, or servers of {SERVER}, got {count}."
        )
    return chip, sides


def platform(chip: Chip) -> str:
    """Return the name of a chip's platform."""
    return "cuda" if chip.target else "tpu"


def check_installed(chip: Chip) -> None:
    """Raise UserError, with the install command, if a chip's compiler is missing."""
    needed, extra = NEEDED[platform(chip)], EXTRA[platform(chip)]
    if importlib.util.find_spec(needed) is None:
        raise UserError(
            f"the compiler for {chip.kind} is not installed ({needed}); "
            f"EXTRAS={extra} ./launch.sh compile ..., or pip install -e '.[{extra}]'"
        )


def devices(name: str) -> Sequence[jax.Device]:
    """Return the devices of a slice; programs can be compiled for them but not run.

    Raises UserError if the topology does not exist or its compiler is not installed.
    """
    chip, (first, *_) = parse(name)
    check_installed(chip)
    from jax.experimental import topologies

    os.environ.update(ENVIRONMENT)
    told = {"chip_config_name": chip.configuration} if chip.configuration else {}
    if chip.target:
        hosts, name = max(first // SERVER, 1), ""
        told = {"target_config": _target(chip), "topology": f"1x{hosts}x{first // hosts}"}
    try:
        with quiet():
            return topologies.get_topology_desc(name, platform=platform(chip), **told).devices
    except jax.errors.JaxRuntimeError as error:
        raise UserError(f"--topology: {name} does not exist: {_reason(error)}") from error


def _target(chip: Chip) -> str:
    """Return the description of a GPU for XLA, a protocol buffer in text form."""
    text = (importlib.resources.files(__package__) / "targets" / chip.target).read_text()
    for field, value in (
        ("device_memory_size", chip.memory),
        ("memory_bandwidth", round(chip.bandwidth)),
        ("device_description_str", f'"NVIDIA {chip.kind.upper()}"'),
    ):
        text = re.sub(rf"{field}: .*", f"{field}: {value}", text)
    return text


def version(chip: Chip) -> dict[str, str]:
    """Return the version of the compiler."""
    package = NEEDED[platform(chip)]
    return {package: importlib.metadata.version(package)}


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(": ")[2]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence libraries that write to standard error past Python: libtpu warns of missing TPUs."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(shown, 2)
            os.close(shown)
