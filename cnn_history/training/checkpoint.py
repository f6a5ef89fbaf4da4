"""Checkpoints of the training state: thin over Orbax."""

import logging
import pathlib

import jax
import orbax.checkpoint as ocp
from etils import epath

from cnn_history.training.state import State

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints of a work directory, the newest `keep` of them.

    Orbax writes each into a temporary folder and renames it when it is whole, so that a run killed
    while it saves leaves the older ones as they were.
    """

    def __init__(self, workdir: pathlib.Path | epath.Path, keep: int):
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells the log each thing it does
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, create=True, enable_async_checkpointing=False
        )
        self._manager = ocp.CheckpointManager(_folder(workdir), options=options)

    def latest(self) -> int | None:
        """Return the step of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: State) -> None:
        """Write the state, unless that step is there already."""
        if step != self.latest():
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore(self, abstract: State) -> State:
        """Return the newest state, as `abstract` says: shapes, dtypes and shardings."""
        return self._manager.restore(self.latest(), args=ocp.args.StandardRestore(abstract))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._manager.close()


def restore_variables(workdir: pathlib.Path | epath.Path) -> dict:
    """Return params and model_state of the newest checkpoint as numpy-like trees.

    Raises ValueError if there is none.
    """
    folder = _folder(workdir)
    steps = ocp.utils.checkpoint_steps(folder) if folder.is_dir() else []
    if not steps:
        raise ValueError(f"'{workdir}' holds no checkpoint; it is no work directory of a run.")
    path = folder / str(max(steps)) / "default"
    with ocp.StandardCheckpointer() as checkpointer:
        metadata = checkpointer.metadata(path).item_metadata
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            metadata.tree,
        )
        return checkpointer.restore(path, abstract)


def _folder(workdir: pathlib.Path | epath.Path) -> pathlib.Path | epath.Path:
    if isinstance(workdir, pathlib.Path):
        workdir = workdir.absolute()  # as Orbax takes it; a bucket's name is whole as it is
    return workdir / FOLDER
