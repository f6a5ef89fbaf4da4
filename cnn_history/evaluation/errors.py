"""Errors from class probabilities."""

from collections.abc import Sequence

import numpy as np


def errors(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `top1_error`, `top5_error` (above five classes) as fractions, and `count`.

    Ties go to the lower class, as in argmax. An example with a non-finite probability counts as
    wrong; `not_finite`, present if there are any, counts these examples.

    Args:
      probabilities: [n, classes].
      labels: int [n].
    """
    n, classes = probabilities.shape
    ranking = np.argsort(-probabilities, axis=-1, kind="stable")
    finite = np.isfinite(probabilities).all(-1)
    right = (ranking == labels[:, None]) & finite[:, None]
    result = {"top1_error": 1 - float(right[:, 0].mean())}
    if classes > 5:
        result["top5_error"] = 1 - float(right[:, :5].any(axis=1).mean())
    bad = int(n - finite.sum())
    return {**result, "count": n, **({"not_finite": bad} if bad else {})}


def per_class(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[dict[str, str | int | None]]:
    """Return a row for each class: `class`, `count`, `top1_errors` and `confused_with`.

    `confused_with` is the class that most of its errors were assigned to, None without errors.
    Non-finite probabilities count as an error but not as a class. Takes the arguments of `errors`.
    """
    finite = np.isfinite(probabilities).all(-1)
    taken_for = np.zeros((len(classes), len(classes)), int)
    np.add.at(taken_for, (labels[finite], probabilities[finite].argmax(-1)), 1)
    counts, right = np.bincount(labels, minlength=len(classes)), taken_for.diagonal().copy()
    np.fill_diagonal(taken_for, 0)
    return [
        {
            "class": name,
            "count": int(counts[i]),
            "top1_errors": int(counts[i] - right[i]),
            "confused_with": classes[taken_for[i].argmax()] if taken_for[i].any() else None,
        }
        for i, name in enumerate(classes)
    ]
