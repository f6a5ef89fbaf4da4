"""A run's messages and checks, and its files when it ends."""

import json
import shutil

import jax
import numpy as np
import pytest

import cnn_history
from cnn_history import loading
from cnn_history.errors import UserError
from cnn_history.files import workdir
from cnn_history.reporting import figures
from cnn_history.training import loop
from experiments import lenet5_digits


def test_no_figure_costs_a_run_its_summary(tmp_path, monkeypatch):
    """A figure that fails is drawn by the next run, which trains nothing; then nothing is left."""
    config, drawn = lenet5_digits.get_config("smoke"), []

    def fail(folder, lines, **given):
        drawn.append((json.loads((tmp_path / "summary.json").read_text()), lines))
        raise RuntimeError("this figure cannot be drawn")

    def draw(folder, lines, **given):
        drawn.append((json.loads((tmp_path / "summary.json").read_text()), lines))
        folder.mkdir()
        (folder / figures.LAST).touch()

    monkeypatch.setattr(figures, "run", fail)
    with pytest.raises(RuntimeError, match="cannot be drawn"):
        loop.run(config, tmp_path)
    monkeypatch.setattr(figures, "run", draw)
    summary = loop.run(config, tmp_path)
    (before, lines), (after, same) = drawn
    written = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert before["test"] == after["test"] == summary["test"]
    assert lines == same == written
    assert [line["step"] for line in written if line["split"] == "test"] == [0, 5, 10]

    assert loop.run(config, tmp_path) == summary
    shutil.rmtree(tmp_path / "figures")
    shutil.rmtree(tmp_path / "checkpoints")  # there is nothing to draw from: it is not trained anew
    assert loop.run(config, tmp_path) == summary
    assert len(drawn) == 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a run that kept its best checkpoint, and whose last is none."""
    folder = tmp_path_factory.mktemp("run")
    config = lenet5_digits.get_config("smoke")
    config.update(keep_best=True, learning_rate=0.0)  # all are as good: the first is kept
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "run", lambda *arguments, **options: None)
        loop.run(config, folder)
    return folder


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def longer(**changes):
    config = lenet5_digits.get_config("smoke")
    config.update(keep_best=True, learning_rate=0.0, steps=12, **changes)
    return config


def test_the_best_checkpoint_is_kept_beside_the_last(run):
    kept = [path.name for path in (run / "best" / "checkpoints").iterdir()]
    assert kept == ["0"]
    best, last = (loading.load(run, best)[1] for best in (True, False))
    jax.tree.map(np.testing.assert_array_equal, best, last)
    with pytest.raises(UserError, match="has no best checkpoint"):
        loading.load(_without_best(run), best=True)


def _without_best(run):
    folder = run.with_name("without")
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("best"))
    return folder


def test_load_gives_the_classes_names(run):
    _, _, preprocessing = cnn_history.load(run)
    assert preprocessing.classes == tuple("0123456789")


def test_a_run_goes_on_with_its_own_data_alone(copy):
    kept = json.loads((copy / workdir.DATA).read_text())
    kept["test"]["number"] += 1
    (copy / workdir.DATA).write_text(json.dumps(kept))
    with pytest.raises(UserError, match=r"the test images of .* the number is 64, not 65"):
        loop.run(longer(), copy)


@pytest.mark.parametrize(
    ("known", "split", "said"),
    [
        (True, "test[:64]", "the training images are the same; the test images are the same"),
        (True, "test[:32]", "the test images of digits differ: the split is test[:32], not"),
        (True, "train[:160]", "so the test is not fair"),
        (False, "test[:64]", "is of an earlier version, so its images are unknown"),
    ],
)
def test_what_images_a_network_comes_from_is_said(copy, undrawn, capsys, known, split, said):
    if not known:
        (copy / workdir.DATA).unlink()
    config = longer(init_from=str(copy), test_split=split)
    loop.run(config, copy.with_name("next"))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("from '")]
    assert len(lines) == 1
    assert said in lines[0]


def test_a_run_of_an_earlier_version_takes_todays_data_and_says_so(copy, undrawn, capsys):
    (copy / workdir.DATA).unlink()
    loop.run(longer(), copy)
    said = capsys.readouterr().err
    assert "the present images are taken as its own" in said
    assert workdir.read_data(copy)["training"].name == "digits"


def test_an_earlier_version_with_other_classes_is_refused(copy):
    (copy / workdir.DATA).unlink()
    inputs = dict(np.load(copy / workdir.INPUTS))
    inputs["classes"] = inputs["classes"][::-1]
    np.savez(copy / workdir.INPUTS, **inputs)
    with pytest.raises(UserError, match="the classes are in another order"):
        loop.run(longer(), copy)
