"""Checkpoints of the training state: Orbax's files, with checksums, in folders named by steps.

    checkpoints/STEP/default          the state, as Orbax writes it
    checkpoints/STEP/checksums.json   the SHA-256 of each of its files
    checkpoints/STEP.*unfinished      being written, read or removed; cleared away by the next run
    checkpoints/STEP.damaged          set aside: no run reads it or writes to it again

A step is renamed to its name when it is whole and on the disk, and out of it before it is removed,
so that a run killed at any instant leaves whole steps alone under their names. A bucket has no
rename: there a step is one once its checksums are written, which come last and go first.
"""

import contextlib
import logging
import os
import pathlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath

from cnn_history.files import checksums

FOLDER, STATE = "checkpoints", "default"
UNFINISHED, DAMAGED = ".unfinished", ".damaged"
BEST = "best"  # a folder of a work directory, as one with the checkpoint of the lowest error
BESIDE = 2**20  # bytes of files beside the arrays, and of those that Orbax merges, at most
EARLIER_VERSION = "_CHECKPOINT_METADATA"  # beside STATE: written before there were checksums

Folder = pathlib.Path | epath.Path


class Damaged(ValueError):
    """There are checkpoints, and none is whole."""


class NotSaved(Exception):
    """A checkpoint could not be written; the older ones are as they were."""


class Checkpoints:
    """The checkpoints of a work directory that trains, the newest `keep` of them.

    To be opened by one run alone: what an earlier one left unfinished is removed, and damaged steps
    are set aside. Raises Damaged if no step is whole though there are some.
    """

    def __init__(
        self,
        workdir: Folder,
        keep: int,
        writes: bool = True,
        agreed: Callable[[int], int] = lambda step: step,
    ):
        """Open them.

        Args:
          workdir: of the run.
          keep: how many stay.
          writes: whether this process, of several, renames and removes; all write their arrays.
          agreed: a number -> that of the process that `writes`, in every process.
        """
        # Orbax tells the log each thing that it does, and each error that it raises too.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._folder, self._keep, self._writes = _folder(workdir), keep, writes
        self._files = ocp.Checkpointer(ocp.StandardCheckpointHandler())
        newest = None
        if writes:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in list(self._folder.glob("*")):
                if _unfinished(path):
                    epath.Path(path).rmtree()
            newest = _newest_whole(self._folder, self._set_aside)
        found = agreed(-1 if newest is None else newest)
        self._latest = None if found < 0 else found

    def latest(self) -> int | None:
        """Return the newest step, None if there is none."""
        return self._latest

    def save(self, step: int, state: Any) -> None:
        """Write a tree of arrays, unless that step is there; raise NotSaved if it cannot be."""
        if step == self._latest:
            return
        try:
            self._save(step, state)
        except (OSError, ValueError) as error:  # ValueError: TensorStore's
            last = f"the last checkpoint is that of step {self._latest}"
            if self._latest is None:
                last = "there is no earlier checkpoint"
            with contextlib.suppress(OSError):
                epath.Path(self._written(step)).rmtree()
            raise NotSaved(f"step {step} could not be saved, {last}: {_why(error)}") from error
        self._latest = step

    def restore(self, abstract: Any) -> Any:
        """Return the newest tree, as `abstract` says: shapes, dtypes and shardings."""
        path = self._folder / str(self._latest) / STATE
        return self._files.restore(path, args=ocp.args.StandardRestore(abstract))

    def _save(self, step: int, state: Any) -> None:
        if _on_this_machine(self._folder):
            needed = BESIDE + sum(leaf.nbytes for leaf in jax.tree.leaves(state))
            free = shutil.disk_usage(self._folder).free
            if free < needed:  # told before Orbax begins, which ends in many lines
                raise OSError(f"no space left: it takes {needed:,} bytes, and {free:,} are free")
        written = self._written(step)
        self._files.save(written / STATE, args=ocp.args.StandardSave(state))
        if not self._writes:
            return
        checksums.write(written)
        if _on_this_machine(self._folder):
            written.rename(self._folder / str(step))
        others = [other for other in _steps(self._folder) if other != step]
        for old in others[: max(0, len(others) + 1 - self._keep)]:
            self._remove(old)

    def _written(self, step: int) -> Folder:
        """Return where a step is written until it is one."""
        return self._folder / f"{step}{UNFINISHED if _on_this_machine(self._folder) else ''}"

    def _remove(self, step: int) -> None:
        removed = self._folder / str(step)
        if _on_this_machine(self._folder):
            removed = removed.rename(self._written(step))
        else:
            (removed / checksums.NAME).unlink()
        epath.Path(removed).rmtree()

    def _set_aside(self, step: int) -> None:
        aside = self._folder / f"{step}{DAMAGED}"
        while aside.exists():
            aside = aside.with_name(aside.name + "+")
        (self._folder / str(step)).rename(aside)
        _warn(f"It is kept as '{aside}'.")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._files.close()


def saved(workdir: Folder, step: int) -> bool:
    """Say whether a work directory has a checkpoint of a step, whole or not."""
    return (workdir / FOLDER / str(step)).exists()


def restore_variables(workdir: Folder, best: bool = False) -> dict:
    """Return params and model_state of the newest whole checkpoint as numpy-like trees.

    Or of the `best`. If a run removes it meanwhile, another is chosen. What is damaged is told, and
    left where it is. Raises ValueError if there is none.
    """
    folder = _folder(workdir / BEST if best else workdir)
    while True:
        step = _newest_whole(folder) if folder.is_dir() else None
        if step is None and best:
            raise ValueError(f"'{workdir}' keeps no best checkpoint; config.keep_best=true does.")
        if step is None:
            raise ValueError(f"'{workdir}' holds no checkpoint: the run has not saved one yet.")
        try:
            with _held(folder / str(step)) as held:
                try:
                    return _restore(held / STATE)
                except Exception:  # whatever Orbax makes of what is removed meanwhile
                    if held.exists():
                        raise
        except OSError:
            if step in _steps(folder):
                raise


@contextlib.contextmanager
def _held(step: Folder) -> Iterator[Folder]:
    """Yield a folder with links to a step's files, which stay when a run removes the step.

    Orbax's threads print a traceback for each file that goes while they read. Where no links can be
    made, in a bucket or on a disk that is only read, the step's own folder is yielded. A killed
    reader's links are cleared away as unfinished by the next run.
    """
    if not _on_this_machine(step):
        yield step
        return
    with contextlib.ExitStack() as stack:
        held = step
        try:
            held = pathlib.Path(tempfile.mkdtemp(UNFINISHED, f"{step.name}.", step.parent))
            stack.callback(shutil.rmtree, held, ignore_errors=True)
            shutil.copytree(step, held, copy_function=os.link, dirs_exist_ok=True)
        except OSError:
            if not step.exists():
                raise
            held = step
        yield held


def _restore(path: Folder) -> dict:
    with ocp.StandardCheckpointer() as checkpointer:
        metadata = checkpointer.metadata(path).item_metadata
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            metadata.tree,
        )
        return checkpointer.restore(path, abstract)


def _why(error: Exception) -> str:
    """Return an error's words; of TensorStore's long ones about a file, the system's alone."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(code[1])) if code else " ".join(str(error).split())


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _folder(workdir: Folder) -> Folder:
    # Orbax takes no relative path; a bucket's name is whole as it is.
    return (workdir.absolute() if _on_this_machine(workdir) else workdir) / FOLDER


def _on_this_machine(folder: Folder) -> bool:
    return isinstance(folder, pathlib.Path)


def _unfinished(path: Folder) -> bool:
    if _on_this_machine(path):
        return path.name.endswith(UNFINISHED)
    return path.name.isdecimal() and not (path / checksums.NAME).exists()


def _steps(folder: Folder) -> list[int]:
    found = (path for path in folder.glob("*") if path.name.isdecimal())
    return sorted(int(path.name) for path in found if not _unfinished(path))


def _newest_whole(
    folder: Folder, set_aside: Callable[[int], None] = lambda step: None
) -> int | None:
    """Return the newest step without damage, None if there are no steps.

    A step that goes while it is looked at was removed by a run that has written others. Damage is
    told, and when an older step is found, `set_aside` is called with each damaged one.
    """
    damaged, steps = {}, _steps(folder)
    for step in reversed(steps):
        found = checksums.damage(folder / str(step))
        if found and (folder / str(step) / EARLIER_VERSION).exists():
            _warn(f"Step {step} was saved by an earlier version, without checksums: not verified.")
            found = None
        if found is None:
            for bad, what in damaged.items():
                _warn(f"The checkpoint of step {bad} is damaged: {what}. Step {step} is used.")
                set_aside(bad)
            return step
        if step in _steps(folder):
            damaged[step] = found
    if not damaged:
        return _newest_whole(folder, set_aside) if steps else None
    what = "; ".join(f"of step {step}, {found}" for step, found in damaged.items())
    raise Damaged(
        f"every checkpoint is damaged: {what}. Restore one from a copy, or choose another "
        "--workdir to start anew."
    )
