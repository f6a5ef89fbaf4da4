"""A signal during a compilation or an evaluation: the run saves and ends at once."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import pytest

from cnn_history.training import feed, loop
from cnn_history.training.signals import SIGNALS, Stop, StopRequest
from experiments import lenet5_digits
from tests.training import runs

pytestmark = pytest.mark.usefixtures("undrawn")

LONG = 40  # seconds that what is interrupted would take
AT_ONCE = 10  # seconds within which a signal has to be obeyed
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def interrupted(folder, number):
    """Run until the signal ends it; return what is said."""
    with pytest.raises(Stop) as stop:
        loop.run(lenet5_digits.get_config("smoke"), folder)
    assert stop.value.code == 128 + number
    return stop.value.line


def send(number):
    """Send this process a signal in a moment, from a thread."""
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    loop.run(lenet5_digits.get_config("smoke"), folder)
    return folder


@pytest.mark.parametrize(("number", "evaluation"), zip(NUMBERS, (0, 1, 2), strict=True))
def test_while_it_evaluates(whole, tmp_path, monkeypatch, number, evaluation):
    # Evaluations are those of steps 0, 5 and 10.
    real, calls, sent = feed.over_examples, [], []

    def slow(*arguments):
        calls.append(0)
        if len(calls) == evaluation + 1:
            sent.append(time.monotonic())
            send(number)
            time.sleep(LONG)
        return real(*arguments)

    monkeypatch.setattr(feed, "over_examples", slow)
    line = interrupted(tmp_path, number)
    assert time.monotonic() - sent[0] < AT_ONCE
    step = 5 * evaluation
    assert line == (f"Stopped by {number.name}; step {step} is saved; the same command resumes.")
    monkeypatch.undo()
    loop.run(lenet5_digits.get_config("smoke"), tmp_path)
    runs.assert_same_bits(runs.state(tmp_path, 10), runs.state(whole, 10))
    tested = [x["step"] for x in loop.record.read_metrics(tmp_path) if x["split"] == "test"]
    assert tested == [0, 5, 10]


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_is_noted_and_has_its_status(number):
    with StopRequest() as request:
        os.kill(os.getpid(), number)
        assert request.agreed() == number
    assert Stop(number, "").code == 128 + number


COMPILES = """
import os, signal, sys, threading, time
import jax, jax.numpy as jnp
from cnn_history import commands, train
from cnn_history.training import program

real = program.make

def slow_to_compile(x):
    for i in range(OPERATIONS):
        x = jnp.sin(x @ x) + i
    return x

def make(*arguments):
    compiled = real(*arguments)

    def step(*arguments):
        lowered = jax.jit(slow_to_compile).lower(jnp.ones((8, 8)))
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        print("sent", time.time(), flush=True)
        lowered.compile()
        print("compiled", flush=True)
        return compiled.step(*arguments)

    return compiled._replace(step=step)

program.make = make
commands.run(train.main)
"""
# From 0.11 on jax lets no signal through before it has compiled: what takes long would take long.
LETS_THROUGH = jax.__version_info__ < (0, 11)
OPERATIONS = 4000 if LETS_THROUGH else 200


def test_while_it_compiles(tmp_path):
    """A real compilation, of something that takes XLA long, in a process of its own."""
    code = COMPILES.replace("OPERATIONS", str(OPERATIONS))
    command = [sys.executable, "-c", code, "--config=experiments/lenet5_digits.py:smoke"]
    ended = subprocess.run(
        [*command, f"--workdir={tmp_path}"], cwd=runs.CHECKOUT, capture_output=True, text=True
    )
    now = time.time()
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    said, sent = ended.stdout.split()
    assert said == "sent"  # and not compiled
    assert now - float(sent) < AT_ONCE
    line = ended.stderr.strip().splitlines()[-1]
    assert line == "train: Stopped by SIGTERM; nothing is unsaved; the same command resumes."
