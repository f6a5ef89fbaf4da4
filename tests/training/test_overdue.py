"""A signal to a process that waits for another one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from cnn_history.training import overdue, processes
from cnn_history.training.overdue import Overdue
from tests.training import faults, runs

MOMENT = 0.5  # seconds of patience, here
SLOW_AT = 12  # the step at which a process sleeps


@pytest.fixture
def watched(monkeypatch):
    """Return (an impatient watch for SIGUSR1, the numbers that it ended by)."""
    monkeypatch.setattr(overdue, "PATIENCE", MOMENT)
    monkeypatch.setattr(processes, "POLL", MOMENT / 10)
    ended, before = [], signal.signal(signal.SIGUSR1, lambda *arguments: None)
    with Overdue([signal.SIGUSR1], ended.append) as watch:
        yield watch, ended
    signal.signal(signal.SIGUSR1, before)


def send():
    os.kill(os.getpid(), signal.SIGUSR1)


def go_on(seconds, with_headway):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with_headway()
        time.sleep(MOMENT / 20)


def test_without_headway_a_signal_ends_the_process(watched):
    watch, ended = watched
    send()
    watch.join(20 * MOMENT)
    assert ended == [signal.SIGUSR1]


@pytest.mark.parametrize("headway", ["headway", "step"])
def test_with_headway_it_does_not(watched, headway):
    watch, ended = watched
    send()
    go_on(4 * MOMENT, getattr(watch, headway))
    assert not ended


def test_without_a_signal_it_waits(watched):
    _, ended = watched
    time.sleep(4 * MOMENT)
    assert not ended


def test_a_save_may_take_longer_and_what_is_obeyed_is_not_watched(watched):
    watch, ended = watched
    send()
    with watch.unknown():
        time.sleep(4 * MOMENT)
    watch.obeyed()
    time.sleep(4 * MOMENT)
    assert not ended


def test_a_long_step_is_waited_for_as_long_again(watched):
    watch, ended = watched
    for _ in range(2):
        watch.step()
        time.sleep(3 * MOMENT)
    watch.step()
    send()
    time.sleep(4 * MOMENT)
    assert not ended


def test_a_wakeup_of_others_is_put_back():
    before = signal.set_wakeup_fd(-1)
    with Overdue([signal.SIGUSR1], print):
        pass
    assert signal.set_wakeup_fd(before) == -1
    assert not any(isinstance(one, Overdue) for one in threading.enumerate())


SLOW_TRAIN = f"""
import sys, time
from cnn_history import commands, train
from cnn_history.training import feed

real = feed.Resident.at

def at(self, start, count):
    if start >= {SLOW_AT}:
        time.sleep(600)
    return real(self, start, count)

feed.Resident.at = at
sys.argv[0] = "train"
commands.run(train.main)
"""
SLOW_EVALUATE = """
import sys, time
from cnn_history import commands, evaluate, evaluation

def over_batches(*arguments):
    print("sleeps", flush=True)
    time.sleep(600)

evaluation.over_batches = over_batches
sys.argv[0] = "evaluate"
commands.run(evaluate.main)
"""


@contextlib.contextmanager
def two(*flags, slow=None, code=SLOW_TRAIN, verb="train"):
    """Start two processes, of which one may become slow; end what remains of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = []
    for k in range(2):
        where = ("--processes=2", f"--process={k}", f"--coordinator={address}")
        program = ["-c", code] if k == slow else ["-m", f"cnn_history.{verb}"]
        command = [sys.executable, *program, *flags, *where]
        environment = runs.environment_of_a_command({"JAX_ENABLE_X64": "1"})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        both.append(subprocess.Popen(command, cwd=runs.CHECKOUT, env=environment, **pipes))
    try:
        yield both
    finally:
        for process in both:
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("slow", [0, 1])
def test_while_another_process_is_slow(tmp_path, slow):
    with two(*faults.CONFIG, f"--workdir={tmp_path}", slow=slow) as both:
        faults.wait_for(lambda: len(faults.lines(tmp_path)) >= SLOW_AT, both)
        time.sleep(8)  # until the other waits
        since = time.monotonic()
        both[1 - slow].send_signal(signal.SIGUSR1)
        ends = [runs.finish(process) for process in both]
        assert [status for status, _, _ in ends] == [138, 138], ends
        assert time.monotonic() - since < 3 * processes.HEARTBEAT
    for _, _, err in ends:
        assert "Stopped by SIGUSR1" in err.splitlines()[-1]
        assert "the last step saved is step 10" in err.splitlines()[-1]
    assert faults.saved(tmp_path) == [10]


@pytest.mark.slow
def test_an_evaluation_while_another_process_is_slow(tmp_path):
    recipe = "--config=experiments/lenet5_digits.py:smoke"
    status, _, err = runs.run("train", recipe, f"--workdir={tmp_path}")
    assert status == 0, err
    flags = (f"--workdir={tmp_path}", "--protocol=single_crop")
    with two(*flags, slow=1, code=SLOW_EVALUATE, verb="evaluate") as both:
        while "sleeps" not in both[1].stdout.readline():
            assert both[1].poll() is None
        time.sleep(8)  # until the other waits
        since = time.monotonic()
        both[0].send_signal(signal.SIGTERM)
        ends = [runs.finish(process) for process in both]
        assert [status for status, _, _ in ends] == [143, 143], ends
        assert time.monotonic() - since < 3 * processes.HEARTBEAT


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [0, 1])
def test_while_another_process_stands_still(tmp_path, stopped):
    """In a save, where there is more patience, the runtime finds it lost before (-6)."""
    with two(*faults.CONFIG, f"--workdir={tmp_path}") as both:
        faults.wait_for(lambda: len(faults.lines(tmp_path)) >= SLOW_AT, both)
        both[stopped].send_signal(signal.SIGSTOP)
        since = time.monotonic()
        both[1 - stopped].send_signal(signal.SIGTERM)
        status, _, err = runs.finish(both[1 - stopped])
        assert status in (143, -6), err
        assert time.monotonic() - since < 2 * processes.HEARTBEAT
        assert ("Stopped by SIGTERM" in err) == (status == 143)
