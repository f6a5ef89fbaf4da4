"""What several seeds say, and how surely."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of Student's 95 % interval of the mean; all numbers, of fewer than two."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return np.mean(values) - half, np.mean(values) + half


def verdict(low: float, high: float) -> str:
    """Return whether a difference that lies in the interval is there: `yes`, `no`, or neither.

    `yes` is above 0, `no` below, and an interval that holds 0 is inconclusive.
    """
    if low > 0:
        return "yes"
    return "no" if high < 0 else "inconclusive"
