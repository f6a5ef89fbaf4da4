"""Checkpoints are read beside a run that writes and removes them."""

import threading

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
    with pytest.raises(ValueError, match="has not saved one yet"):
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


@pytest.mark.parametrize("when", ["as_it_is_checked", "as_it_is_read"])
def test_a_step_that_is_removed_meanwhile_is_chosen_again(tmp_path, monkeypatch, when):
    with Checkpoints(tmp_path, keep=3) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state(step))

        def removing(function, path):
            if path.parts[-2 if when == "as_it_is_read" else -1] == "2":
                checkpoints._remove(2)
            return function(path)

        if when == "as_it_is_checked":
            check = checkpoint.checksums.damage
            monkeypatch.setattr(checkpoint.checksums, "damage", lambda p: removing(check, p))
        else:
            restore = checkpoint._restore
            monkeypatch.setattr(checkpoint, "_restore", lambda p: removing(restore, p))
        assert int(restore_variables(tmp_path)["step"]) == 1
