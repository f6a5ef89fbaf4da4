"""Several processes, as real ones, that find each other on this machine."""

import json
import re
import signal
import socket
import time

import pytest

from cnn_history.training import processes
from tests.training import runs

STEPS = 30
CONFIG = (
    "--config=experiments/lenet5_digits.py",
    f"--config.steps={STEPS}",
    "--config.dtype=float64",
    "--config.log_every=1",
    "--config.eval_every=10",
    "--config.checkpoint_every=10",
    "--config.eval_batch_size=14",  # 360 test images: the last batch is not full
)


def start(count, *arguments):
    """Start `count` processes with the same arguments, or with a tuple of them for each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    if not isinstance(arguments[0], tuple):
        arguments = [arguments] * count
    return [
        runs.start(
            "train",
            *arguments[k],
            f"--processes={count}",
            f"--process={k}",
            f"--coordinator={address}",
            JAX_ENABLE_X64="1",
        )
        for k in range(count)
    ]


def lines(folder):
    """Return the lines of metrics.jsonl without what depends on the clock."""
    clock = ("seconds", "images_per_second", "data_wait")
    texts = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(text).items() if k not in clock} for text in texts]


def wait_for(condition, seconds=200):
    """Wait until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the folder of the run by one process."""
    folder = tmp_path_factory.mktemp("alone")
    status, _, err = runs.run("train", *CONFIG, f"--workdir={folder}", JAX_ENABLE_X64="1")
    assert status == 0, err
    return folder


def assert_same_run(folder, alone):
    """Hold the lines of two runs together: float64, 30 steps, whatever the number of processes."""
    wanted = lines(alone)
    assert [(x["step"], x["split"]) for x in wanted] == [
        (x["step"], x["split"]) for x in lines(folder)
    ]
    for one, two in zip(wanted, lines(folder), strict=True):
        assert one.pop("split") == two.pop("split")
        assert one == pytest.approx(two, rel=1e-10, abs=1e-10)


def test_two_processes_signalled_and_resumed_by_one_make_the_same_run(alone, tmp_path):
    """SIGTERM to one of them saves on both, at the same step."""
    many = (*CONFIG, f"--workdir={tmp_path}")
    both = start(2, *many)
    wait_for(lambda: (tmp_path / "metrics.jsonl").exists() and len(lines(tmp_path)) > 5)
    both[1].send_signal(signal.SIGTERM)
    ends = [runs.finish(process) for process in both]
    assert [status for status, _, _ in ends] == [143, 143], ends
    saved = max(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert 5 < saved < STEPS
    status, out, err = runs.run("train", *many, JAX_ENABLE_X64="1")
    assert status == 0, err
    assert f"resuming at step {saved}" in err
    assert "lenet5" in out
    assert_same_run(tmp_path, alone)


def test_a_lost_process_ends_the_others_and_the_same_command_resumes(alone, tmp_path):
    many = (*CONFIG, f"--workdir={tmp_path}")
    both = start(2, *many)
    wait_for(lambda: (tmp_path / "checkpoints" / "10").exists())
    both[1].kill()
    killed = time.monotonic()
    status, _, err = runs.finish(both[0])
    assert status not in (0, 2)
    assert time.monotonic() - killed < 3 * processes.HEARTBEAT
    assert "distributed: another process was lost" in err
    assert re.search(r"heartbeats\):\n1\n|Task 1 heartbeat timeout", err), err
    ends = [runs.finish(process) for process in start(2, *many)]
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert ends[1][1] == ""  # one of them speaks
    assert_same_run(tmp_path, alone)


def test_another_config_is_refused_at_the_start(tmp_path):
    many = (*CONFIG, f"--workdir={tmp_path}/run")
    ends = [runs.finish(p) for p in start(2, many, (*many, "--config.learning_rate=0.5"))]
    for status, _, err in ends:
        assert status == 2
        assert "process 1 has another config than process 0" in err
    assert not (tmp_path / "run").exists()
