"""A signal to a process that another one keeps waiting."""

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
from cnn_history.training.signals import LAST_WORDS
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


SLOW = f"""
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


@contextlib.contextmanager
def two(folder, slow=None):
    """Start two processes, of which one may become slow; end what remains of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = []
    for k in range(2):
        flags = ("--processes=2", f"--process={k}", f"--coordinator={address}")
        code = ["-c", SLOW] if k == slow else ["-m", "cnn_history.train"]
        command = [sys.executable, *code, *faults.CONFIG, f"--workdir={folder}", *flags]
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
    with two(tmp_path, slow) as both:
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
@pytest.mark.parametrize("stopped", [0, 1])
def test_while_another_process_stands_still(tmp_path, stopped):
    with two(tmp_path) as both:
        faults.wait_for(lambda: len(faults.lines(tmp_path)) >= SLOW_AT, both)
        both[stopped].send_signal(signal.SIGSTOP)
        since = time.monotonic()
        both[1 - stopped].send_signal(signal.SIGTERM)
        status, _, err = runs.finish(both[1 - stopped])
        assert status == 143, err
        assert time.monotonic() - since < 2 * (overdue.PATIENCE + LAST_WORDS)
        assert "Stopped by SIGTERM" in err
