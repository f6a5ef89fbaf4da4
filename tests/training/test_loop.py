"""What stands on the disk when a run ends."""

import json
import shutil

import pytest

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
