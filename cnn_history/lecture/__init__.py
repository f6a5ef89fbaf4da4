"""Lectures by key, and their claims.

A claim is the lecture's words, the verdict on record and the function that computes; the lecture's
numbers are its arguments. Whether the lecture is right is decided anew in every run.

    >>> from cnn_history import lecture
    >>> result = lecture.evaluate(lecture.claims()["C050"])
    >>> result.finding.computed
    '15,237,608 = 15.2M -> 60.95 MB'
"""

from cnn_history.lecture import lenet_to_resnet
from cnn_history.lecture.claim import VERDICTS, Claim, Lecture, Result, evaluate

LECTURES = {
    lecture.key: lecture
    for lecture in (
        lenet_to_resnet.LECTURE,
    )
}  # fmt: skip

__all__ = ["LECTURES", "VERDICTS", "Claim", "Lecture", "Result", "claims", "evaluate"]


def claims() -> dict[str, Claim]:
    """Return the claims of all lectures by id."""
    return {claim.id: claim for lecture in LECTURES.values() for claim in lecture.claims}
