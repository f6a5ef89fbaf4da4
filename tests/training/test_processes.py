"""Several real processes that find each other on this machine."""

import json
import re

import pytest

from cnn_history.training import processes
from tests.training import faults, runs
from tests.training.faults import CONFIG, STEPS, lines, saved


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
    ends, _ = faults.terminate(1, tmp_path)
    assert [status for status, _ in ends] == [143, 143], ends
    step = max(saved(tmp_path))
    assert 5 < step < STEPS
    arguments = (*CONFIG, f"--workdir={tmp_path}")
    status, out, err = runs.run("train", *arguments, JAX_ENABLE_X64="1")
    assert status == 0, err
    assert f"resuming at step {step}" in err
    assert "lenet5" in out
    assert_same_run(tmp_path, alone)


def test_a_lost_process_ends_the_others_and_the_same_command_resumes(alone, tmp_path):
    ends, seconds = faults.kill(1, tmp_path)
    status, err = ends[0]
    assert status == -6  # the runtime's own abort: 134 in a shell
    assert seconds < 3 * processes.HEARTBEAT
    assert "distributed: another process was lost" in err
    assert re.search(r"heartbeats\):\n1\n|Task 1 heartbeat timeout", err), err
    both = faults.start(2, *CONFIG, f"--workdir={tmp_path}")
    ends = [runs.finish(process) for process in both]
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert ends[1][1] == ""  # one of them speaks
    assert_same_run(tmp_path, alone)


def test_a_slow_process_is_waited_for_and_a_lost_coordinator_ends_the_others(alone, tmp_path):
    ends, seconds = faults.slow_down(1, tmp_path, then=0)
    status, err = ends[1]
    assert status not in (0, 2), err
    assert seconds < 3 * processes.HEARTBEAT
    assert "distributed: " in err, err
    status, _, err = runs.run("train", *CONFIG, f"--workdir={tmp_path}", JAX_ENABLE_X64="1")
    assert status == 0, err
    assert "resuming at step" in err
    assert_same_run(tmp_path, alone)


def test_two_processes_evaluate_as_one(alone):
    """Seven images on two devices: the last batch is not full."""
    flags = (f"--workdir={alone}", "--split=test[:7]", "--dataset=digits", "--format=json")
    status, out, err = runs.run("evaluate", *flags)
    assert status == 0, err
    both = [runs.finish(one) for one in faults.start(2, *flags, verb="evaluate")]
    assert [status for status, _, _ in both] == [0, 0], both
    assert json.loads(both[0][1]) == json.loads(out)
    assert both[1][1] == ""


def test_two_processes_unpack_a_trained_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    flags = ("--workdir=lenet5_digits", "--split=test[:7]", "--dataset=digits", "--format=json")
    both = [runs.finish(one) for one in faults.start(2, *flags, verb="evaluate")]
    assert [status for status, _, _ in both] == [0, 0], both
    assert json.loads(both[0][1])["count"] == 7


@pytest.mark.parametrize(
    ("fault", "name"), [(faults.other_config, "config"), (faults.other_code, "code")]
)
def test_what_is_not_the_same_is_refused_at_the_start(fault, name, tmp_path):
    ends, _ = fault(1, tmp_path / "run")
    for status, err in ends:
        assert status == 2, err
        assert f"process 1 has another {name} than process 0" in err
    assert not (tmp_path / "run").exists()
