"""A work directory: what a run was, from the files that it left."""

import dataclasses
import json
import pathlib
from collections.abc import Callable

import ml_collections
import numpy as np

from cnn_history import fields
from cnn_history.datasets import Source
from cnn_history.datasets.preprocessing import Preprocessing
from cnn_history.datasets.statistics import Statistics
from cnn_history.errors import UserError
from cnn_history.files import npz, private, record

CONFIG, INPUTS, SUMMARY = "config.json", "inputs.npz", "summary.json"
STATISTICS = "statistics.npz"

# What may differ between a run and the command that resumes it: how long it goes on, what it
# records, and where data and state stand. Anything else would be another run.
CHANGEABLE = ("steps", "data_dir", "eval_batch_size", "log_every", "eval_every")
CHANGEABLE += ("checkpoint_every", "keep_checkpoints", "skipped_images", "skipped_steps", "paper")
CHANGEABLE += ("optimizer_state",)

# What is read of the config of any work directory, an imported network's too.
READ = ("model", "dtype", "dataset", "data_dir", "test_split", "eval_batch_size")
READ += ("skipped_images", "averaging", "evaluated", "paper")


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
    """Return the config of a run; raise UserError if the directory holds none, or leads out."""
    check_links(workdir)
    try:
        read = json.loads((workdir / CONFIG).read_text())
        if not isinstance(read, dict):
            raise ValueError("it holds no object")
        config = ml_collections.ConfigDict(read)
    except FileNotFoundError:
        raise UserError(f"'{workdir}' is no work directory of a run: it has no {CONFIG}.") from None
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise UserError(f"'{workdir / CONFIG}' is damaged: {error}") from error
    for name in READ:
        if name not in config:
            raise UserError(
                f"'{workdir}' was made by an earlier version, before config.{name}; make it again."
            )
    try:
        fields.check_part(config, READ)
    except UserError as error:
        raise UserError(f"'{workdir / CONFIG}' is damaged: {error}") from error
    return config


def read_summary(workdir: pathlib.Path) -> dict | None:
    """Return the summary of a run, in which `steps` is always; None where there is none.

    Raises UserError where it is damaged.
    """
    path = workdir / SUMMARY
    if not path.exists():
        return None
    try:
        return {"steps": None, **json.loads(path.read_bytes())}
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"'{path}' is damaged: {error}; remove it, and the run makes it again from its newest "
            "checkpoint."
        ) from error


def check_links(workdir: pathlib.Path) -> None:
    """Raise UserError for a link in the directory that leads out of it: to be read, or written."""
    if link := private.leading_out(workdir):
        raise UserError(
            f"'{link}' is a link that leads out of the work directory, which is not followed; "
            "remove it, or copy what it names."
        )


def check_run(workdir: pathlib.Path) -> None:
    """Raise UserError unless the directory holds a run, or an imported network."""
    read_config(workdir)
    load_inputs(workdir)


def check_same(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Raise UserError if the directory holds a run of another config."""
    if not (workdir / CONFIG).exists():
        return
    before = read_config(workdir)
    for name in config:
        if name not in before:
            raise UserError(
                f"'{workdir}' was made by an earlier version, before config.{name}, or by "
                "import_weights; choose another --workdir."
            )
    old, new = (_leaves(c) for c in (before, record.config_json(config)))
    changeable = set(CHANGEABLE)
    if config.schedule.name == "plateau":  # which is moved by evaluations
        changeable.remove("eval_every")
    for name in sorted({*old, *new}):
        if name.split(".")[0] not in changeable and old.get(name) != new.get(name):
            raise UserError(
                f"'{workdir}' holds a run with config.{name}={old.get(name)}, and this one has "
                f"{new.get(name)}; choose another --workdir."
            )


def _leaves(tree, prefix: str = "") -> dict[str, object]:
    if not hasattr(tree, "items"):
        return {prefix: list(tree) if isinstance(tree, tuple) else tree}
    found = {}
    for name, value in tree.items():
        found.update(_leaves(value, f"{prefix}.{name}" if prefix else name))
    return found


def save_inputs(workdir: pathlib.Path, preprocessing: Preprocessing, data: Source) -> None:
    """Keep what turns images into the network's, and what its outputs mean."""
    unfinished = workdir / "unfinished.npz"
    np.savez(
        unfinished,
        mean=preprocessing.mean,
        std=preprocessing.std,
        size=preprocessing.size,
        adapter=preprocessing.adapter,
        channels=data.shape[-1],
        classes=np.array(data.classes),
    )
    unfinished.replace(workdir / INPUTS)


def statistics(
    workdir: pathlib.Path, measure: Callable[[], Statistics], writes: bool
) -> Statistics:
    """Return the statistics of a run's training images: measured once, and kept if it `writes`."""
    path = workdir / STATISTICS
    if not path.exists():
        found = measure()
        if not writes:
            return found
        unfinished = workdir / "unfinished.npz"
        np.savez(unfinished, **dataclasses.asdict(found))
        unfinished.replace(path)
        return found
    try:
        kept = npz.read(path)
        return Statistics(kept["mean"], kept["covariance"], int(kept["examples"]))
    except (ValueError, TypeError) as error:
        raise UserError(error) from error
    except KeyError as error:
        raise UserError(f"'{path}' is damaged: it has no {error}.") from error


def load_inputs(workdir: pathlib.Path) -> tuple[Preprocessing, int, tuple[str, ...]]:
    """Return the preprocessing, the number of channels and the classes of a run."""
    try:
        values = npz.read(workdir / INPUTS)
        preprocessing = Preprocessing(
            int(values["size"]), str(values["adapter"]), values["mean"], values["std"]
        )
        return preprocessing, int(values["channels"]), tuple(map(str, values["classes"]))
    except FileNotFoundError:
        raise UserError(f"'{workdir}' is no work directory of a run: it has no {INPUTS}.") from None
    except ValueError as error:
        raise UserError(error) from error
    except (KeyError, TypeError) as error:
        raise UserError(f"'{workdir / INPUTS}' is damaged: {error}") from error
