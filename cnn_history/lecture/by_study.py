"""The finding of a claim that a study decides."""

import numpy as np

from cnn_history.lecture.claim import Finding
from cnn_history.studies.interval import interval, verdict


def outcome(values: np.ndarray, what: str, truth: str = "") -> Finding:
    """Return a finding of `yes`, `no` or `inconclusive`, with the 95 % interval.

    Args:
      values: a value for each seed, above 0 if the claim holds.
      what: the claim, in words that `by` can follow.
      truth: a remark to add.
    """
    low, high = interval(values)
    number = f"{low:.3g} to {high:.3g} (95 %, n={len(values)})"
    return Finding(
        f"{verdict(low, high)}: {what} by {number}", bool(np.isfinite([low, high]).all()), truth
    )
