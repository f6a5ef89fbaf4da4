"""The lecture's claims, a file for each part of it, and how they are evaluated.

A row is the lecture's words, the verdict on record and the function that computes; the lecture's
numbers are its arguments. Whether the lecture is right is decided anew in every run.
"""

from collections.abc import Iterable, Iterator

from cnn_history.lecture import (
    activations,
    alexnet,
    benefits,
    first_order,
    googlenet,
    inception,
    inception_modules,
    lenet,
    normalization,
    practice,
    schedules,
    second_order,
    vgg,
    vgg_listing,
    zfnet,
)
from cnn_history.lecture.claim import VERDICTS, Claim, Result, evaluate
from cnn_history.lecture.once import forget

PARTS = (
    lenet,
    alexnet,
    zfnet,
    vgg,
    vgg_listing,
    activations,
    googlenet,
    inception_modules,
    normalization,
    benefits,
    inception,
    first_order,
    schedules,
    second_order,
    practice,
)

__all__ = ["VERDICTS", "Claim", "Result", "claims", "run"]


def claims() -> dict[str, Claim]:
    """Return all claims by id, in the order of ids."""
    found = [claim for part in PARTS for claim in part.claims()]
    return {claim.id: claim for claim in sorted(found, key=lambda claim: claim.id)}


def run(chosen: Iterable[Claim]) -> Iterator[Result]:
    """Evaluate claims one by one; what several of them need is computed once."""
    forget()
    for claim in chosen:
        yield evaluate(claim)
