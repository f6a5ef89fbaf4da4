"""The order and the end of `python -m tests.on_a_gpu`."""

import pathlib

from tests import on_a_gpu
from tests.test_docs import test_the_command_exists as check


def test_a_step_is_done_once_and_what_the_time_does_not_suffice_for_is_left(tmp_path):
    first, second, third = (on_a_gpu.Step(tmp_path / name, (name,)) for name in "abc")
    ran = []

    def finish(step, seconds):
        ran.append(step)
        if step is second and ran.count(second) == 1:
            return False  # stopped, and saved
        step.output.write_text("{}")
        return True

    assert on_a_gpu.measure([first, second, third], 100.0, finish) == [second, third]
    assert on_a_gpu.measure([first, second, third], 100.0, finish) == []
    assert ran == [first, second, second, third]
    third.output.unlink()
    assert on_a_gpu.measure([first, second, third], 1.0, finish) == [third]  # too short to begin
    assert len(ran) == 4


def test_every_step_is_a_command_that_exists(monkeypatch):
    for rehearse in (False, True):
        for step in on_a_gpu.steps(pathlib.Path("results"), pathlib.Path("runs"), rehearse):
            check(step.command, monkeypatch)
