"""Errors from class probabilities."""

import numpy as np


def errors(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `top1_error`, `top5_error` (above five classes) as fractions, and `count`.

    Of equal probabilities the lower class is taken first, as argmax does.

    Args:
      probabilities: [n, classes].
      labels: int [n].
    """
    n, classes = probabilities.shape
    ranking = np.argsort(-probabilities, axis=-1, kind="stable")
    right = ranking == labels[:, None]
    result = {"top1_error": 1 - float(right[:, 0].mean())}
    if classes > 5:
        result["top5_error"] = 1 - float(right[:, :5].any(axis=1).mean())
    return {**result, "count": n}
