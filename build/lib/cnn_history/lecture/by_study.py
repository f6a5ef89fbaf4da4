"""What a study says of a claim."""

import numpy as np

from cnn_history.lecture.claim import Finding
from cnn_history.studies.interval import interval, verdict


def outcome(values: np.ndarray, what: str, truth: str = "") -> Finding:
    """Say `yes`, `no` or `inconclusive` of a quantity, and its interval.

    Args:
      values: one of each seed, above 0 where the claim holds.
      what: is claimed, in words before a `by`.
      truth: what has to be added.
    """
    low, high = interval(values)
    number = f"{low:.3g} to {high:.3g} (95 %, n={len(values)})"
    return Finding(
        f"{verdict(low, high)}: {what} by {number}", bool(np.isfinite([low, high]).all()), truth
    )
