"""Damage of any kind to any file of a checkpoint is found and named; the step before is used."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_history
from cnn_history import errors
from cnn_history.files import checksums
from cnn_history.files.checkpoint import Checkpoints, Damaged, restore_variables
from cnn_history.training import loop
from cnn_history.training.state import State
from experiments import lenet5_digits

pytestmark = pytest.mark.usefixtures("undrawn")


def state(step):
    """Return a small state that tells its step."""
    params = {"kernel": jnp.full((40, 3), step / 7), "bias": jnp.arange(3.0) + step}
    number = jnp.asarray(step, jnp.int32)
    return State(number, params, {}, {"trace": params}, jax.random.key(step), number * 0)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


DAMAGES = {"truncate": truncate, "zero": zero, "flip": flip, "delete": lambda path: path.unlink()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a work directory with steps 3 and 6."""
    folder = tmp_path_factory.mktemp("saved")
    with Checkpoints(folder, keep=2) as checkpoints:
        for step in (1, 3, 6):
            checkpoints.save(step, state(step))
    assert names(folder) == ["3", "6"]
    return folder


def names(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def files_of(folder, step):
    there = folder / "checkpoints" / str(step)
    return sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())


def assert_is(restored, step):
    for name, expected in state(step).params.items():
        np.testing.assert_array_equal(restored.params[name], expected)
    assert int(restored.step) == step


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_in_turn(saved, tmp_path, capsys, damage):
    names_of_files = files_of(saved, 6)
    assert len(names_of_files) > 5
    for number, name in enumerate(names_of_files):
        folder = tmp_path / str(number)
        shutil.copytree(saved, folder)
        path = folder / "checkpoints" / "6" / name
        DAMAGES[damage](path)
        before = {p: p.read_bytes() for p in path.parents[0].rglob("*") if p.is_file()}

        assert int(restore_variables(folder)["step"]) == 3
        told = capsys.readouterr().err
        assert told.startswith("The checkpoint of step 6 is damaged: '"), told
        assert told.endswith("Step 3 is used.\n")
        assert name.name in told or checksums.NAME in told
        assert names(folder) == ["3", "6"]  # who only reads moves nothing
        assert before == {p: p.read_bytes() for p in path.parents[0].rglob("*") if p.is_file()}

        with Checkpoints(folder, keep=2) as checkpoints:
            assert checkpoints.latest() == 3
            assert "step 6 is damaged" in capsys.readouterr().err
            assert names(folder) == ["3", "6.damaged"]
            assert_is(checkpoints.restore(jax.eval_shape(lambda: state(0))), 3)
            if number == 0:  # what follows is the same for every file
                checkpoints.save(6, state(6))
                checkpoints.save(9, state(9))
                assert names(folder) == ["6", "6.damaged", "9"]
                assert_is(checkpoints.restore(jax.eval_shape(lambda: state(0))), 9)


def test_damaged_twice_keeps_both(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    for _ in range(2):
        flip(folder / "checkpoints" / "6" / checksums.NAME)
        with Checkpoints(folder, keep=2) as checkpoints:
            checkpoints.save(6, state(6))
    assert names(folder) == ["3", "6", "6.damaged", "6.damaged+"]


def test_all_damaged_is_refused_and_touched_by_no_one(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    for step in (3, 6):
        flip(folder / "checkpoints" / str(step) / "default" / "manifest.ocdbt")
    with pytest.raises(Damaged, match=r"every checkpoint is damaged: of step 6, .*of step 3, "):
        Checkpoints(folder, keep=2)
    with pytest.raises(Damaged, match="Restore one from a backup"):
        restore_variables(folder)
    assert names(folder) == ["3", "6"]


def test_an_unfinished_step_is_none(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    (folder / "checkpoints" / "6").rename(folder / "checkpoints" / "6.unfinished")
    assert int(restore_variables(folder)["step"]) == 3
    with Checkpoints(folder, keep=2) as checkpoints:
        assert (checkpoints.latest(), names(folder)) == (3, ["3"])


def test_of_an_earlier_version(saved, tmp_path, capsys):
    """Before there were checksums, Orbax's manager left a file beside the state."""
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    (folder / "checkpoints" / "6" / checksums.NAME).unlink()
    (folder / "checkpoints" / "6" / "_CHECKPOINT_METADATA").write_text("{}")
    assert int(restore_variables(folder)["step"]) == 6
    assert "Step 6 was saved by an earlier version" in capsys.readouterr().err


def test_a_run_and_its_readers(tmp_path, capsys):
    """The run goes on from the step before, to the same bits; `load` reads that step too."""
    config = lenet5_digits.get_config("smoke")
    loop.run(config, tmp_path)
    end = restore_variables(tmp_path)
    flip(next((tmp_path / "checkpoints/10/default/d").iterdir()))
    (tmp_path / "summary.json").unlink()
    capsys.readouterr()
    cnn_history.load(tmp_path)
    assert "The checkpoint of step 10 is damaged: " in capsys.readouterr().err
    loop.run(config, tmp_path)
    said = capsys.readouterr().err
    assert "Step 5 is used.\nIt is kept as '" in said
    assert "resuming at step 5" in said
    again = restore_variables(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, end["params"], again["params"])
    for step in (5, 10):
        flip(next((tmp_path / f"checkpoints/{step}/default/d").iterdir()))
    for use in (cnn_history.load, lambda folder: loop.run(longer(config), folder)):
        with pytest.raises(errors.UserError, match="every checkpoint is damaged"):
            use(tmp_path)


def longer(config):
    config.steps += 1
    return config
