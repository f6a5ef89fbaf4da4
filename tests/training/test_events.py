"""The events of steps and the lengths of calls: by a table, and by whole runs."""

import itertools
import types

import pytest

from cnn_history.training.events import Event, at

# Of 1,030 steps, evaluated every 120, saved every 200, 50 steps a call.
PLAN, STRIDE = types.SimpleNamespace(steps=1030, eval_every=120, checkpoint_every=200), 50
AT = {
    0: Event(evaluate=True, save=False, last=False, count=50),  # nothing is to be saved yet
    7: Event(evaluate=False, save=False, last=False, count=1),  # a signal's: back to the stride
    50: Event(evaluate=False, save=False, last=False, count=50),
    100: Event(evaluate=False, save=False, last=False, count=1),  # 120 is within the next call
    120: Event(evaluate=True, save=False, last=False, count=1),  # no multiple of the stride
    150: Event(evaluate=False, save=False, last=False, count=50),  # a call ends at an event
    200: Event(evaluate=False, save=True, last=False, count=1),
    600: Event(evaluate=True, save=True, last=False, count=50),
    1000: Event(evaluate=False, save=True, last=False, count=1),  # fewer than a stride are left
    1030: Event(evaluate=True, save=True, last=True, count=0),
}


@pytest.mark.parametrize("step", AT)
def test_what_happens_at_a_step(step):
    assert at(step, PLAN, STRIDE) == AT[step]


def walked(step, stride):
    """Return the steps at which a run stands, from the first."""
    yield step
    while count := at(step, PLAN, stride).count:
        step += count
        yield step


@pytest.mark.parametrize("first", [0, 7, 119, 1029])
@pytest.mark.parametrize("stride", [1, 3, 50, 2000])
def test_no_call_passes_over_an_event(first, stride):
    steps = list(walked(first, stride))
    due = {s for s in range(first, 1031) if s % 120 == 0 or s % 200 == 0} | {1030}
    assert due <= set(steps)
    assert steps[-1] == 1030
    assert {b - a for a, b in itertools.pairwise(steps)} <= {1, stride}


def test_a_run_of_no_more_steps_than_it_has_made_ends_at_once():
    assert list(walked(1030, STRIDE)) == [1030]
