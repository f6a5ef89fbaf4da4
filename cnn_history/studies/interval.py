"""Means over seeds, their 95 % intervals, and verdicts from these."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of Student's 95 % interval of the mean; infinite for fewer than 2 values."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return np.mean(values) - half, np.mean(values) + half


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over the seeds; 0 for a single seed."""
    return values.std(ddof=1) if len(values) > 1 else 0.0


def columns(name: str, values: np.ndarray) -> dict[str, float]:
    """Return two columns of a table, `name` with the mean and `name_sd` with its deviation."""
    return {name: values.mean(), f"{name}_sd": spread(values)}


def counted(name: str, values: np.ndarray) -> dict[str, float]:
    """Return `columns` and a column `n` with the number of seeds."""
    return {**columns(name, values), "n": len(values)}


def ends(values: np.ndarray, form: str = ".2f") -> str:
    """Return the interval in words: `0.12 to 0.34`."""
    return " to ".join(f"{end:{form}}" for end in interval(values))


def said(values: np.ndarray, form: str = ".2f") -> str:
    """Return the verdict on a difference and its interval: `yes, 0.12 to 0.34`."""
    return f"{verdict(*interval(values))}, {ends(values, form)}"


def decided(values: np.ndarray, yes: str, no: str, inconclusive: str) -> str:
    """Return one of three texts, by the `verdict` on a difference."""
    words = {"yes": yes, "no": no, "inconclusive": inconclusive}
    return words[verdict(*interval(values))]


def verdict(low: float, high: float) -> str:
    """Return `yes` for an interval above 0, `no` for one below, `inconclusive` for one with 0."""
    if low > 0:
        return "yes"
    return "no" if high < 0 else "inconclusive"
