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


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over the seeds; 0 of a single one."""
    return values.std(ddof=1) if len(values) > 1 else 0.0


def columns(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the columns of a table that say what the seeds say: mean and standard deviation."""
    return {name: values.mean(), f"{name}_sd": spread(values)}


def counted(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the same, and the number of seeds."""
    return {**columns(name, values), "n": len(values)}


def ends(values: np.ndarray, form: str = ".2f") -> str:
    """Return the interval in words: `0.12 to 0.34`."""
    return " to ".join(f"{end:{form}}" for end in interval(values))


def said(values: np.ndarray, form: str = ".2f") -> str:
    """Return whether a difference is there, and its interval: `yes, 0.12 to 0.34`."""
    return f"{verdict(*interval(values))}, {ends(values, form)}"


def decided(values: np.ndarray, yes: str, no: str, inconclusive: str) -> str:
    """Return the words for a difference that is above 0, below, or neither."""
    words = {"yes": yes, "no": no, "inconclusive": inconclusive}
    return words[verdict(*interval(values))]


def verdict(low: float, high: float) -> str:
    """Return whether a difference that lies in the interval is there: `yes`, `no`, or neither.

    `yes` is above 0, `no` below, and an interval that holds 0 is inconclusive.
    """
    if low > 0:
        return "yes"
    return "no" if high < 0 else "inconclusive"
