"""The rate of images, for synchronous and for asynchronous devices."""

import time
import types

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history.files import record
from cnn_history.training import log, progress

STEP, BATCH = 0.03, 8
NUMBERS = {"loss": 1.0, "top1_error": 0.5, "learning_rate": 0.1} | {
    "applied": True,
    "skipped": False,
    "first_bad": 0,
}


class Coming:
    """A number that will be there at a time."""

    def __init__(self, value, when):
        self._value, self._when = value, when

    def is_ready(self):
        return time.monotonic() >= self._when

    def __array__(self, *_, **__):
        time.sleep(max(0.0, self._when - time.monotonic()))
        return np.asarray(self._value)


def call_and_wait(i, began):
    time.sleep(STEP)
    return {name: jnp.asarray(value) for name, value in NUMBERS.items()}


def call(i, began):
    return {name: Coming(value, began + (i + 1) * STEP) for name, value in NUMBERS.items()}


@pytest.mark.parametrize(("advance", "within"), [(call_and_wait, 1.01), (call, 2.0)])
@pytest.mark.parametrize("log_every", [1, 2, 4])
def test_no_rate_is_above_that_of_the_steps(advance, within, log_every, tmp_path):
    """Evaluated after every fourth; who fetches what is still to come may be late."""
    plan = types.SimpleNamespace(batch_size=BATCH, log_every=log_every, steps=8)
    with record.Metrics(tmp_path, -1, writes=True) as metrics:
        with progress.ProgressBar(0, 8, quiet=True) as bar:
            made = log.Log(metrics, bar, plan, "train", ("loss",), lambda step: np.arange(BATCH))
            for half in range(2):
                began = time.monotonic()
                for i in range(4):
                    made.made(4 * half + i, 1, advance(i, began), 0.0)
                made.settle()
        rates = [line["images_per_second"] for line in metrics.lines]
    assert len(rates) == 8 // log_every
    assert max(rates) > 0
    assert max(rates) <= BATCH / STEP * within


def test_a_long_compilation_is_said_and_a_short_one_is_not(monkeypatch, capsys):
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.2)
    with progress.ProgressBar(0, 8) as bar:
        for seconds in (0.0, 0.5):
            with bar.compiling("the step"):
                time.sleep(seconds)
    assert capsys.readouterr().err.count("still compiling the step") == 1


def test_a_line_says_which_step_the_test_error_is_of(capsys):
    with progress.ProgressBar(0, 8) as bar:
        bar.test(4, 0.25)
        bar.train(6, {**NUMBERS, "images_per_second": 100.0})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("step 6/8 ")
    assert "test error 25.00% (step 4)" in line
