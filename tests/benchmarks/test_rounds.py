"""Turns and ratios: arithmetic on known times."""

import pytest

from cnn_history.benchmarks import rounds


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """Not the ratio of the medians, which here is 1: the machine was slower in the second round."""
    ours, theirs = [1.0, 8.0, 2.0], [2.0, 10.0, 1.0]
    assert rounds.ratio(ours, theirs) == {"median": 0.8, "low": 0.5, "high": 2.0}
    assert rounds.fastest({"a": [1.0, 9.0, 9.0], "b": [2.0, 2.0, 99.0]}) == "b"


def test_contestants_take_turns(monkeypatch):
    """Steps of a tenth of a second fill a second ten at a time, slower ones are fewer."""
    now, made = 0.0, []

    def contestant(name, seconds):
        def run(count):
            nonlocal now
            now += count * seconds
            made.append((name, count))

        return run

    monkeypatch.setattr(rounds.time, "perf_counter", lambda: now)
    both = {"a": contestant("a", 0.125), "b": contestant("b", 5.0)}
    found = rounds.alternate(both, rounds=2, seconds=1.0)
    assert made[:4] == [("a", 1), ("a", 1), ("b", 1), ("b", 1)]  # not counted
    assert made[4:] == [("a", 8), ("b", 1), ("a", 8), ("b", 1)]
    assert found == {"a": pytest.approx([0.125] * 2), "b": pytest.approx([5.0] * 2)}
