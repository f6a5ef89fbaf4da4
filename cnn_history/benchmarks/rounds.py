"""Measurements in alternating rounds, so that a slow phase of the machine affects all sides.

A ratio compares two sides within a round. Quoted are the median of the rounds' ratios, the lowest
and the highest.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[int], None]  # runs a number of steps, and returns when they are done


def alternate(contestants: Mapping[str, Run], rounds: int, seconds: float) -> dict[str, list]:
    """Return the seconds per step of each contestant, one number per round.

    In each round, each contestant runs for about `seconds`, in the given order: A B A B. The first
    two steps, which compile, allocate and measure the time of a step, do not count.
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
    """Run `count` steps, and return the seconds that they took."""
    began = time.perf_counter()
    run(count)
    return time.perf_counter() - began


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest value, as `median`, `low` and `high`."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the spread of our time over theirs, computed within each round."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def fastest(found: Mapping[str, Sequence[float]]) -> str:
    """Return the name of the contestant with the lowest median."""
    return min(found, key=lambda name: statistics.median(found[name]))
