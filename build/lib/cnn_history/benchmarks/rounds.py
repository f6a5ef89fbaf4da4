"""Measurements that take turns, so that a slower machine is slower for all.

A ratio is taken within a round, where both sides met the same machine; what is quoted is the median
of the rounds' ratios, with the lowest and the highest.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[int], None]  # makes that many steps, and returns when they are done


def alternate(contestants: Mapping[str, Run], rounds: int, seconds: float) -> dict[str, list]:
    """Return the seconds a step of each contestant, one number a round.

    In each round each makes as many steps as take about `seconds`, in the order given: A B A B.
    Its first steps, which compile, allocate and tell how long one takes, are not counted.
    """
    counts = {}
    for name, run in contestants.items():
        run(1)
        counts[name] = max(1, round(seconds / timed(run, 1)))
    found = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            found[name].append(timed(run, counts[name]) / counts[name])
    return found


def timed(run: Run, count: int) -> float:
    """Return the seconds that `count` steps take."""
    began = time.perf_counter()
    run(count)
    return time.perf_counter() - began


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the spread of our time over the other's, taken within each round."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def fastest(found: Mapping[str, Sequence[float]]) -> str:
    """Return the name of the contestant whose median is the lowest."""
    return min(found, key=lambda name: statistics.median(found[name]))
