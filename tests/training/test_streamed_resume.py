"""A run on streamed data, killed while its threads decode, ends as an uninterrupted one does."""

import json
import signal
import time

import pytest

from tests.datasets import files
from tests.training import runs

STEPS = 40


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """Return the arguments of a run on 50 small photos, one of them damaged: 3.1 steps an epoch."""
    folder = tmp_path_factory.mktemp("photos")
    root = files.make_folder(folder, train=50, val=9)
    (folder / "train" / "bee" / "7.JPEG").write_bytes(files.BAD["truncated"][0])
    return (
        "--config=experiments/lenet5_digits.py",
        *("--config.dataset=folder", f"--config.data_dir={root}", "--config.test_split=val"),
        *("--config.batch_size=16", f"--config.steps={STEPS}", "--config.adapter=square"),
        *("--config.scaling=per_pixel_mean", "--config.augmentation.name=vgg"),
        *("--config.augmentation.vgg.scales=(33,40)", "--config.log_every=1"),
        *("--config.eval_batch_size=4", "--config.eval_every=20", "--config.checkpoint_every=8"),
    )


def last_step(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    steps = [json.loads(line)["step"] for line in lines if line.endswith("}")]
    return max(steps, default=-1)


def kill(streamed, folder, step):
    """Start the run, and kill it once it has made that step."""
    process = runs.fork("train", *streamed, f"--workdir={folder}")
    while process.poll() is None and last_step(folder) < step:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=5)  # whatever held its pipes open would keep us here
    assert last_step(folder) < STEPS


def test_killed_between_and_within_epochs(streamed, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    status, _, err = runs.run("train", *streamed, f"--workdir={whole}")
    assert status == 0, err
    assert err.count("skipped: train/bee/7.JPEG: truncated or damaged") == 1
    for step in (9, 25):  # 25 steps are 8 epochs, 9 are 2.88
        kill(streamed, killed, step)
    status, _, err = runs.run("train", *streamed, f"--workdir={killed}")
    assert status == 0, err
    assert "resuming at step 24" in err
    runs.assert_same_bits(runs.state(killed, STEPS), runs.state(whole, STEPS))
    summaries = [json.loads((f / "summary.json").read_text()) for f in (killed, whole)]
    assert summaries[0]["test"] == summaries[1]["test"]
    assert summaries[0]["test"]["count"] == 9
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    assert all(line["data_wait"] >= 0 for line in lines if line["split"] == "train")


def test_one_damaged_image_too_many_is_one_line(streamed, tmp_path):
    arguments = (*streamed, "--config.skipped_images=0", f"--workdir={tmp_path}")
    status, _, err = runs.run("train", *arguments)
    assert status == 2
    (line,) = (line for line in err.splitlines() if line.startswith("train: "))
    assert line.startswith(
        "train: config.skipped_images: more than 0 images cannot be decoded, now "
    )
    assert "train/bee/7.JPEG: truncated or damaged" in line
