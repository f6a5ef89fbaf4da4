"""A full, read-only, slow or missing disk: one line, a failure, and an intact last checkpoint."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import time

import pytest

from cnn_history.errors import UserError
from cnn_history.files import checkpoint, checksums
from cnn_history.files.checkpoint import restore_variables
from cnn_history.training import log, loop
from experiments import lenet5_digits
from tests.training import runs

pytestmark = pytest.mark.usefixtures("undrawn")


def config():
    made = lenet5_digits.get_config("smoke")
    made.update(checkpoint_every=2, keep_checkpoints=20)
    return made


@pytest.fixture
def small_disk(tmp_path):
    """Return a disk of 2 MB, or skip where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(command, capture_output=True).returncode == 0:
            yield folder
            subprocess.run(["umount", "-l", str(folder)], check=True)
            return
    pytest.skip("no disk may be mounted here")


def at_step(monkeypatch, step, do):
    """Let something happen once the run has made a step."""
    real = log.Log.made

    def made(self, first, *rest):
        if first == step:
            do()
        real(self, first, *rest)

    monkeypatch.setattr(log.Log, "made", made)


def assert_last_checkpoint(folder, step):
    assert int(restore_variables(folder)["step"]) == step
    assert not (folder / "summary.json").exists()


def test_full(small_disk):
    """The real command, to the end: what it prints, and its status."""
    command = ("--config=experiments/lenet5_digits.py:smoke", f"--workdir={small_disk / 'run'}")
    changes = ("--config.checkpoint_every=2", "--config.keep_checkpoints=20")
    status, _, err = runs.run("train", *command, *changes)
    assert status == 1
    *_, line = err.strip().splitlines()
    assert line.startswith(f"train: the run in '{small_disk / 'run'}' broke off: step ")
    assert "no space left: it needs " in line
    assert "Traceback" not in err
    step = int(line.partition("the last checkpoint is that of step ")[2].partition(":")[0])
    assert_last_checkpoint(small_disk / "run", step)


def test_read_only(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserError, match=r"--workdir: .*Read-only file system"):
        loop.run(config(), small_disk / "run")


@pytest.mark.parametrize("again", [False, True])
def test_gone(tmp_path, monkeypatch, again):
    """Removed while it trains, or another in its place, which is not written to."""
    folder = tmp_path / "run"

    def remove():
        shutil.rmtree(folder)
        if again:
            folder.mkdir()
            (folder / "lock").touch()

    at_step(monkeypatch, 6, remove)
    with pytest.raises(loop.Broken, match="was removed or replaced meanwhile"):
        loop.run(config(), folder)
    assert [path.name for path in folder.glob("*")] == (["lock"] if again else [])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_the_last_save_fails(tmp_path, monkeypatch, number):
    """That is no success, and the same command mends it."""
    real = checksums.write

    def write(folder):
        if folder.name.startswith("10."):
            raise OSError(number, os.strerror(number))
        real(folder)

    monkeypatch.setattr(checksums, "write", write)
    with pytest.raises(
        loop.Broken, match=rf"step 10 .*the last .* step 8: .*{os.strerror(number)}"
    ):
        loop.run(config(), tmp_path)
    assert_last_checkpoint(tmp_path, 8)
    names = {path.name for path in (tmp_path / checkpoint.FOLDER).iterdir()}
    assert names == {"2", "4", "6", "8"}
    monkeypatch.undo()
    assert loop.run(config(), tmp_path)["steps"] == 10
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == 10


def test_slow(tmp_path, monkeypatch):
    real = checksums.write

    def write(folder):
        time.sleep(0.5)
        real(folder)

    monkeypatch.setattr(checksums, "write", write)
    assert loop.run(config(), tmp_path)["steps"] == 10
    assert int(restore_variables(tmp_path)["step"]) == 10
