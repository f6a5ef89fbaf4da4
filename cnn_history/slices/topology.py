"""Descriptions of slices, as libtpu has them on a machine without TPUs."""

import contextlib
import importlib.metadata
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
# Read by libtpu as it is loaded. By its lock file, a second process would end with an error. It
# would also ask a server of Google's cloud what machine this is.
ENVIRONMENT = {"ALLOW_MULTIPLE_LIBTPU_LOAD": "true", "TPU_SKIP_MDS_QUERY": "1"}
GET_LIBTPU = "EXTRAS=compile ./launch.sh compile ..., or pip install -e '.[compile]'"


def parse(name: str) -> tuple[Chip, tuple[int, ...]]:
    """Return the chip and the sides of a topology such as v5e:2x4; UserError for what is none."""
    match = NAME.fullmatch(name)
    if not match:
        raise UserError(
            f"--topology: '{name}' is not KIND:SIDES, such as v5e:2x4 or v5p:2x2x2, of "
            f"{', '.join(CHIPS)}."
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
            f"{chip.kind}:{example}, not {len(sides)}."
        )
    if not math.prod(sides):
        raise UserError(f"--topology: '{name}' has a side of 0 chips.")
    return chip, sides


def check_installed() -> None:
    """Raise UserError where libtpu is not installed, with the command that brings it."""
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(f"the TPU's compiler is not installed (libtpu); {GET_LIBTPU}")


def devices(name: str) -> Sequence[jax.Device]:
    """Return the devices of a slice, for which programs can be compiled alone.

    Raises UserError for a topology that is not there, and where libtpu is not installed.
    """
    parse(name)
    check_installed()
    from jax.experimental import topologies

    os.environ.update(ENVIRONMENT)
    try:
        with quiet():
            return topologies.get_topology_desc(name, platform="tpu").devices
    except jax.errors.JaxRuntimeError as error:
        raise UserError(f"--topology: there is no {name}: {_reason(error)}") from error


def version() -> dict[str, str]:
    """Return the version of the compiler."""
    return {"libtpu": importlib.metadata.version("libtpu")}


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(": ")[2]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries write to standard error past Python: libtpu warns of missing TPUs."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(shown, 2)
            os.close(shown)
