"""Checkpoints of the training state: Orbax's files, with checksums, in folders named by steps.

    checkpoints/STEP/default          the state, as Orbax writes it
    checkpoints/STEP/checksums.json   the SHA-256 of each of its files
    checkpoints/STEP.*unfinished      being written, read or removed; the next run deletes it
    checkpoints/STEP.damaged          set aside: no run reads or writes it again

A step is written under a temporary name and renamed once it is complete and on the disk; before
deletion it is renamed back. So a run killed at any instant leaves only complete steps. In a bucket,
which has no rename, a step counts once its checksums exist; they are written last, deleted first.
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
BEST = "best"  # subfolder of a work directory with the checkpoint of the lowest error
BESIDE = 2**20  # bytes, upper limit of a checkpoint's files other than arrays
EARLIER_VERSION = "_CHECKPOINT_METADATA"  # marks a step saved by a version without checksums

Folder = pathlib.Path | epath.Path


class Damaged(ValueError):
    """There are checkpoints, but all are damaged."""


class OtherStructure(ValueError):
    """A checkpoint's arrays do not match the requested ones, because another version wrote it."""


class NotSaved(Exception):
    """A checkpoint could not be written; older ones are unchanged."""


class Checkpoints:
    """The newest `keep` checkpoints of a run that trains.

    Only one run may open them: opening deletes unfinished steps and sets damaged ones aside. Raises
    Damaged if there are steps but all are damaged.
    """

    def __init__(
        self,
        workdir: Folder,
        keep: int,
        writes: bool = True,
        agreed: Callable[[int], int] = lambda step: step,
    ):
        """Open the checkpoints.

        Args:
          workdir: work directory of the run.
          keep: number of checkpoints to keep.
          writes: whether this process renames and deletes; all processes write their arrays.
          agreed: a number -> the number of the process that `writes`, in every process.
        """
        # Orbax logs everything that it does, and each error that it also raises.
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
        """Write a tree of arrays, unless the step exists; raise NotSaved on failure."""
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
        """Return the newest tree, with the shapes, dtypes and shardings of `abstract`.

        Raises OtherStructure if the tree's names or shapes differ from those of `abstract`.
        """
        path = self._folder / str(self._latest) / STATE
        try:
            return self._files.restore(path, args=ocp.args.StandardRestore(abstract))
        except ValueError as error:
            raise OtherStructure(
                f"the checkpoint '{path.parent}' holds a state of another version: resume with "
                f"that version, or start from its parameters by --config.init_from in a new work "
                f"directory."
            ) from error

    def _save(self, step: int, state: Any) -> None:
        if _on_this_machine(self._folder):
            needed = BESIDE + sum(leaf.nbytes for leaf in jax.tree.leaves(state))
            free = shutil.disk_usage(self._folder).free
            if free < needed:  # checked here, because Orbax would fail with many lines
                raise OSError(f"no space left: it needs {needed:,} bytes, but {free:,} are free")
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
        """Return the folder in which a step is written until it is complete."""
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
    """Return whether a work directory has a checkpoint of a step, damaged or not."""
    return (workdir / FOLDER / str(step)).exists()


def restore_variables(workdir: Folder, best: bool = False) -> dict:
    """Return the trees of the newest undamaged checkpoint, or of the `best`.

    If a run deletes it meanwhile, the next one is read. Damaged ones are reported and stay in
    place. Raises ValueError if there is none.
    """
    folder = _folder(workdir / BEST if best else workdir)
    while True:
        step = _newest_whole(folder) if folder.is_dir() else None
        if step is None and best:
            raise ValueError(
                f"'{workdir}' has no best checkpoint; config.keep_best=true makes one."
            )
        if step is None:
            raise ValueError(f"'{workdir}' has no checkpoint yet.")
        try:
            with _held(folder / str(step)) as held:
                try:
                    return _restore(held / STATE)
                except Exception:  # anything, if the step is deleted meanwhile
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
    """Return an error's message; for TensorStore's long ones, only the system's part."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(code[1])) if code else " ".join(str(error).split())


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _folder(workdir: Folder) -> Folder:
    # Orbax needs an absolute path; the name of a bucket is one.
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

    A step that disappears meanwhile was deleted by a run that has written others. Damage is
    reported, and if an older step is found, `set_aside` is called with each damaged one.
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
        f"every checkpoint is damaged: {what}. Restore one from a backup, or start anew in another "
        f"--workdir."
    )
