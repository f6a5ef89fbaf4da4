"""Checkpoints are read while a run writes and deletes them."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history.files import checkpoint
from cnn_history.files.checkpoint import Checkpoints, restore_variables

READS = 15


def state(step):
    return {"params": {"kernel": jnp.full((4, 4), step)}, "step": jnp.asarray(step)}


def test_every_read_beside_a_run_that_saves_all_the_time_is_good(tmp_path, capfd):
    """Each is one whole step's, never older than the one before, and no damage is told."""
    done = threading.Event()

    def run():
        with Checkpoints(tmp_path, keep=1) as checkpoints:
            step = 0
            while not done.is_set():
                step += 1
                checkpoints.save(step, state(step))

    (tmp_path / checkpoint.FOLDER).mkdir()
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        restore_variables(tmp_path)
    writer = threading.Thread(target=run)
    writer.start()
    try:
        while not checkpoint._steps(tmp_path / checkpoint.FOLDER):
            assert writer.is_alive()
        read = []
        while len(read) < READS or read[-1]["step"] == read[0]["step"]:
            read.append(restore_variables(tmp_path))
            assert writer.is_alive()
    finally:
        done.set()
        writer.join()
    steps = [int(each["step"]) for each in read]
    assert steps == sorted(steps)
    for each, step in zip(read, steps, strict=True):
        np.testing.assert_array_equal(each["params"]["kernel"], step)
    assert "damaged" not in capfd.readouterr().err


@pytest.mark.parametrize(("when", "read"), [("checked", 1), ("held", 1), ("read", 2)])
def test_a_step_that_is_removed_meanwhile_is_whole_or_chosen_again(
    tmp_path, monkeypatch, capfd, when, read
):
    with Checkpoints(tmp_path, keep=3) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state(step))
        module, name = {
            "checked": (checkpoint.checksums, "damage"),
            "held": (checkpoint.shutil, "copytree"),
            "read": (checkpoint, "_restore"),
        }[when]
        function = getattr(module, name)

        def removing(*arguments, **options):
            if 2 in checkpoint._steps(tmp_path / checkpoint.FOLDER):
                checkpoints._remove(2)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, removing)
        assert int(restore_variables(tmp_path)["step"]) == read
    assert [path.name for path in (tmp_path / checkpoint.FOLDER).iterdir()] == ["1"]
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    "asked", [{"v": np.zeros(3)}, {"w": {"v": np.zeros(3)}}, {"w": np.zeros(4)}], ids=str
)
def test_a_state_of_another_version_is_named(asked, tmp_path):
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(1, {"w": jnp.zeros(3)})
        with pytest.raises(checkpoint.OtherStructure, match="a state of another version"):
            checkpoints.restore({k: jax.tree.map(jnp.asarray, v) for k, v in asked.items()})


def test_a_step_is_read_where_no_links_can_be_made(tmp_path, monkeypatch):
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(1, state(1))

    def refuse(*arguments, **options):
        raise PermissionError("a disk that is only read")

    for module, name in ((checkpoint.os, "link"), (checkpoint.tempfile, "mkdtemp")):
        monkeypatch.setattr(module, name, refuse)
        assert int(restore_variables(tmp_path)["step"]) == 1
        assert [path.name for path in (tmp_path / checkpoint.FOLDER).iterdir()] == ["1"]
