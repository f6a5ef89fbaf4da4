"""A killed or stopped run, started again, ends like an uninterrupted one, bit for bit."""

import json
import random
import signal
import time

import pytest

from tests.training import runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the work directory of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    process = runs.start("train", *runs.SHORT, f"--workdir={folder}")  # the others are forks
    status, out, err = runs.finish(process)
    assert status == 0, err
    assert "lenet5" in out
    return folder


def lines(folder):
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def wait_for(folder, process, step):
    """Wait until a train line of `step` or more is written."""
    path = folder / "metrics.jsonl"
    while process.poll() is None:
        if path.exists() and f'"step": {step}, "split": "train"' in path.read_text():
            return
        time.sleep(0.002)
    raise AssertionError(process.communicate()[1])


def check_end(folder, whole):
    runs.assert_same_bits(runs.state(folder, 120), runs.state(whole, 120))
    ours, theirs = ([(x["step"], x["split"]) for x in lines(f)] for f in (folder, whole))
    assert ours == theirs
    summaries = [json.loads((f / "summary.json").read_text()) for f in (folder, whole)]
    assert summaries[0]["test"] == summaries[1]["test"]


def test_files_of_a_run(whole):
    found = {path.name for path in whole.iterdir() if not path.name.startswith("events")}
    expected = {"config.json", "metrics.jsonl", "summary.json", "inputs.npz", "lock"}
    expected |= {"data.json", "parts.json"}
    assert found == expected | {"checkpoints", "figures"}
    assert list(whole.glob("events.out.tfevents*"))
    figures = {path.name for path in (whole / "figures").iterdir()}
    assert figures == {"curves.png", "predictions.png", "confusion.png", "filters.png"}
    kept = sorted(int(path.name) for path in (whole / "checkpoints").iterdir() if path.is_dir())
    assert kept == [100, 120]
    train = [line["step"] for line in lines(whole) if line["split"] == "train"]
    assert train == list(range(10, 121, 10))
    test = [line["step"] for line in lines(whole) if line["split"] == "test"]
    assert test == [0, 30, 60, 90, 120]
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["test"]["count"] == 360
    assert (summary["model"], summary["parameters"]) == ("lenet5", 61_706)


def test_a_finished_run_ends_at_once(whole):
    before = (whole / "metrics.jsonl").stat().st_mtime_ns
    status, out, err = runs.run("train", *runs.SHORT, f"--workdir={whole}")
    assert (status, "lenet5" in out) == (0, True)
    assert "nothing is left to do" in err
    assert (whole / "metrics.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_a_random_step(whole, tmp_path, seed):
    rng = random.Random(seed)
    process = runs.fork("train", *runs.SHORT, f"--workdir={tmp_path}")
    wait_for(tmp_path, process, rng.randrange(30, 110, 10))
    time.sleep(rng.random() * 0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "summary.json").exists()
    status, _, err = runs.run("train", *runs.SHORT, f"--workdir={tmp_path}")
    assert status == 0, err
    assert "resuming at step" in err
    check_end(tmp_path, whole)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_at_the_current_step(whole, tmp_path, number, status):
    process = runs.fork("train", *runs.SHORT, f"--workdir={tmp_path}")
    wait_for(tmp_path, process, 40)
    process.send_signal(number)
    got, _, err = runs.finish(process)
    assert got == status, err
    saved = max(int(p.name) for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit())
    assert saved >= 40
    assert runs.run("train", *runs.SHORT, f"--workdir={tmp_path}")[0] == 0
    check_end(tmp_path, whole)


def test_two_runs_in_one_directory(tmp_path):
    process = runs.fork("train", *runs.SHORT, f"--workdir={tmp_path}")
    wait_for(tmp_path, process, 10)
    process.send_signal(signal.SIGSTOP)  # so that it cannot end before the second one looks
    status, _, err = runs.run("train", *runs.SHORT, f"--workdir={tmp_path}")
    process.kill()
    process.communicate()
    assert status == 2
    assert "in use" in err


def test_a_non_finite_loss_stops_the_run(tmp_path):
    arguments = (*runs.SHORT, f"--workdir={tmp_path}", "--config.learning_rate=1e12")
    arguments += ("--config.checkpoint_every=1", "--config.model.activation=relu")
    status, _, err = runs.run("train", *arguments)
    assert status == 1
    line = err.strip().splitlines()[-1]
    assert line.startswith("train: step ")
    assert "nan" in line or "inf" in line
    step = int(line.split()[2].rstrip(":"))
    saved = max(int(p.name) for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit())
    assert saved <= step
    for name, array in runs.state(tmp_path, saved).items():
        assert not (array != array).any(), f"{name} of step {saved}"
