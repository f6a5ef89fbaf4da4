"""Reading and writing a work directory's description of its run."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterator

import ml_collections
import numpy as np
from flax import traverse_util

from cnn_history import config as fields
from cnn_history.datasets import Source, identity
from cnn_history.datasets.identity import Identity
from cnn_history.datasets.prepare import Preprocessing
from cnn_history.datasets.statistics import Statistics
from cnn_history.errors import UserError
from cnn_history.files import bucket, npz, private, record

CONFIG, INPUTS, SUMMARY = "config.json", "inputs.npz", "summary.json"
DATA = "data.json"  # identity of the training and test examples
PARTS = "parts.json"  # the parts of a resumed run
STATISTICS = "statistics.npz"


@contextlib.contextmanager
def _reading(path: bucket.Folder, mend: str = "") -> Iterator[None]:
    """Raise UserError, which names the file, if it is missing or damaged."""
    try:
        yield
    except FileNotFoundError:
        lacks = f"'{path.parent}' is not a run's work directory: it has no {path.name}."
        raise UserError(lacks) from None
    except (UserError, ValueError, TypeError, KeyError, OSError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise UserError(f"'{path}' is damaged: {reason}{mend}") from error


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
    """Return the config of a run; raise UserError if there is none, or if a link leads outside."""
    check_links(workdir)
    with _reading(workdir / CONFIG):
        read = json.loads((workdir / CONFIG).read_text())
        if not isinstance(read, dict):
            raise ValueError("it is not a JSON object")
        if "model" not in read:
            raise ValueError("it names no network")
        config = ml_collections.ConfigDict(read)
        for name in config.keys() & fields.FIELDS.keys():
            fields.FIELDS[name].kind.check(config[name], f"config.{name}")
    if lacked := fields.complete(config):
        _say(f"'{workdir}' is of an earlier version: {', '.join(lacked)} by default.")
    return config


@functools.cache
def _say(line: str) -> None:
    """Print a line on standard error, once."""
    print(line, file=sys.stderr)


def read_summary(workdir: pathlib.Path) -> dict | None:
    """Return the summary of a run, always with `steps`; None if there is none.

    Raises UserError if it is damaged.
    """
    path = workdir / SUMMARY
    if not path.exists():
        return None
    with _reading(path, "; remove it, and the run makes it again from its newest checkpoint."):
        return {"steps": None, **json.loads(path.read_bytes())}


def parts(workdir: pathlib.Path, step: int, now: dict) -> list[dict]:
    """Return the parts of a run; the last one, `now`, begins at `step`.

    A part has its first step, `from`, and the config's `steps`, `versions` and `devices`, except
    for parts by earlier versions of this program. Raises UserError if the file is damaged.
    """
    path = workdir / PARTS
    kept = [{"from": 0}]
    if path.exists():
        with _reading(path):
            kept = [{"from": int(part["from"]), **part} for part in json.loads(path.read_bytes())]
    made = [part for part in kept if part["from"] < step]
    same = made and {**made[-1], **now} == made[-1]
    return made if same else [*made, {"from": step, **now}]


def config_json(config: ml_collections.ConfigDict) -> dict:
    """Return the config as parsed JSON, in which tuples are lists."""
    return json.loads(config.to_json())


def check_links(workdir: pathlib.Path) -> None:
    """Raise UserError for a link in the directory whose target is outside it."""
    if link := private.leading_out(workdir):
        raise UserError(
            f"'{link}' is a link out of the work directory and is not followed; remove it, or copy "
            f"its target."
        )


def check_run(workdir: pathlib.Path) -> None:
    """Raise UserError unless the directory holds a run or an imported network."""
    read_config(workdir)
    load_inputs(workdir)


def check_same(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Raise UserError if the directory holds a run with another config."""
    if not (workdir / CONFIG).exists():
        return
    before = read_config(workdir)
    if "imported" in before:
        raise UserError(
            f"'{workdir}' holds an imported network; choose another --workdir, and start from it "
            f"by --config.init_from={workdir}."
        )
    old, new = (traverse_util.flatten_dict(config_json(c), sep=".") for c in (before, config))
    changeable = set(fields.CHANGEABLE)
    if config.schedule.name == "plateau":  # its drops depend on evaluations
        changeable.remove("eval_every")
    for name in sorted({*old, *new}):
        field = name.split(".")[0]  # removed fields, such as `paper`, do not matter
        if field in config and field not in changeable and old.get(name) != new.get(name):
            raise UserError(
                f"'{workdir}' holds a run with config.{name}={old.get(name)}, but this one has "
                f"{new.get(name)}; choose another --workdir."
            )


def save_data(workdir: pathlib.Path, data: dict[str, Identity]) -> None:
    """Write the identity of a run's data by use, `training` and `test`."""
    record.write_json(workdir / DATA, {use: one._asdict() for use, one in data.items()})


def read_data(workdir: pathlib.Path) -> dict[str, Identity] | None:
    """Return the identity of a run's data; None for imported networks and earlier versions.

    An earlier version is reported. Raises UserError if the file is damaged.
    """
    data = known_data(workdir)
    if data is None and "imported" not in read_config(workdir):
        _say(f"'{workdir}' is of an earlier version: the present images are taken as its own.")
    return data


def known_data(workdir: pathlib.Path) -> dict[str, Identity] | None:
    """Return the same as `read_data`, without a message."""
    path = workdir / DATA
    if not path.exists():
        return None
    with _reading(path):
        kept = json.loads(path.read_bytes())
        return {
            use: Identity(**{**kept[use], "classes": tuple(kept[use]["classes"])})
            for use in ("training", "test")
        }


def check_same_data(workdir: pathlib.Path, data: dict[str, Identity]) -> None:
    """Raise UserError if the directory is known to hold a run with other data."""
    if not (workdir / CONFIG).exists():
        return
    kept = read_data(workdir)
    if kept is None and (workdir / INPUTS).exists():
        classes = load_inputs(workdir)[2]
        kept = {use: one._replace(classes=classes) for use, one in data.items()}
    for use, was in (kept or {}).items():
        if differences := identity.differences(was, data[use]):
            raise UserError(
                f"config.data_dir: the {use} images of '{workdir}' have changed: {differences}. "
                "Restore them, or choose another --workdir; --config.init_from="
                f"{workdir} starts there from what this run has learned."
            )


def unnamed(workdir: pathlib.Path) -> bool:
    """Return whether the classes are only numbers, as in a network imported without names."""
    classes = load_inputs(workdir)[2]
    return "imported" in read_config(workdir) and classes == tuple(map(str, range(len(classes))))


def save_inputs(workdir: pathlib.Path, preprocessing: Preprocessing, data: Source) -> None:
    """Write preprocessing, channels and classes of a run."""
    meant = {"channels": data.shape[-1], "classes": np.array(data.classes)}
    npz.write(workdir / INPUTS, **{**dataclasses.asdict(preprocessing), **meant})


def statistics(
    workdir: pathlib.Path, measure: Callable[[], Statistics], writes: bool
) -> Statistics:
    """Return statistics of a run's training images, measured once and stored if it `writes`."""
    path = workdir / STATISTICS
    if not path.exists():
        found = measure()
        if writes:
            npz.write(path, **dataclasses.asdict(found))
        return found
    with _reading(path):
        kept = npz.read(path)
        return Statistics(kept["mean"], kept["covariance"], int(kept["examples"]))


def load_inputs(workdir: pathlib.Path) -> tuple[Preprocessing, int, tuple[str, ...]]:
    """Return the preprocessing, the number of channels and the classes of a run."""
    with _reading(workdir / INPUTS):
        values = npz.read(workdir / INPUTS)
        classes = tuple(map(str, values["classes"]))
        preprocessing = Preprocessing(
            int(values["size"]), str(values["adapter"]), values["mean"], values["std"], classes
        )
        return preprocessing, int(values["channels"]), classes
