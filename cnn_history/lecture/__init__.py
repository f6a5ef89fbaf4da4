"""Lectures by key, and their claims.

A claim consists of the lecture's words, the recorded verdict, and a function that computes the
value, with the lecture's numbers as arguments. Every run decides anew whether the lecture is right.

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
