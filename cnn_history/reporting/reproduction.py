"""Comparison of runs with a paper's number."""

import math
import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from scipy import stats

from cnn_history.papers import Published, reported

CONFIDENCE = 0.95
CLOSE = 0.5  # percentage points by which our mean may be higher and still be close
TEST = (
    "Papers print one run. We therefore compare with Student's 95 % prediction interval for one "
    "more run of ours; for a single run, with the exact binomial interval of its test images. "
    "Reproduced: the paper's number lies in the interval or above it. Undecided: the number lies "
    f"in the interval, but our mean is more than {CLOSE} points higher, from too few runs. Within: "
    f"the number lies below the interval, and our mean is at most {CLOSE} points higher."
)


class Reproduction(NamedTuple):
    """Errors of runs that differ only in their seed, in percent, and a paper's number.

    Attributes:
      errors: error of each run.
      low: lower end of the 95 % interval.
      high: upper end.
      paper: the printed result, or None.
    """

    errors: list[float]
    low: float
    high: float
    paper: Published | None

    @property
    def mean(self) -> float:
        """The mean error."""
        return statistics.fmean(self.errors)

    @property
    def deviation(self) -> float | None:
        """The standard deviation; None for a single run."""
        return statistics.stdev(self.errors) if len(self.errors) > 1 else None

    @property
    def verdict(self) -> str:
        """The verdict of TEST, or `not reproduced: x points higher`; a dash without a paper."""
        if self.paper is None:
            return "–"
        higher, printed = self.mean - self.paper.top1, self.paper.top1
        if printed > self.high:
            return f"reproduced, {-higher:.2f} points lower"
        if printed >= self.low:
            return "reproduced" if higher <= CLOSE else "undecided"
        return (
            f"within {higher:.2f} points"
            if higher <= CLOSE
            else f"not reproduced: {higher:.2f} points higher"
        )


def compare(errors: list[float], images: int, paper: Published | None) -> Reproduction:
    """Compare errors, as fractions of `images` test images, with a paper's number."""
    errors = [100 * error for error in errors]
    if len(errors) > 1:
        mean, n = statistics.fmean(errors), len(errors)
        half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * math.sqrt(1 + 1 / n)
        half *= statistics.stdev(errors)
        return Reproduction(errors, max(mean - half, 0.0), mean + half, paper)
    wrong = round(errors[0] * images / 100)
    interval = stats.binomtest(wrong, images).proportion_ci(CONFIDENCE)
    return Reproduction(errors, 100 * interval.low, 100 * interval.high, paper)


def of_runs(recipe: Mapping[str, Any], tests: list[dict]) -> Reproduction:
    """Compare the test errors of runs of a config with the paper's.

    Args:
      recipe: the config, as a mapping.
      tests: `test` of each summary; for several seeds, it has their errors in `top1_errors`.
    """
    errors = [e for test in tests for e in test.get("top1_errors", [test["top1_error"]])]
    return compare(errors, tests[0]["count"], reported(recipe))
