"""Lectures, their claims, and the evaluation of a claim."""

from collections.abc import Callable
from typing import Any, NamedTuple

AGREES, ERRS, QUOTED = "agrees", "errs", "quoted"
BY_STUDY, ADVICE = "by study", "advice"
VERDICTS = {
    AGREES: "computed here, and the lecture is right",
    ERRS: "computed here, and the lecture is wrong",
    QUOTED: "quoted from the literature, and right by the papers' tables",
    BY_STUDY: "decided by a study, with the 95 % interval over several seeds",
    ADVICE: "advice, neither true nor false",
}


class Finding(NamedTuple):
    """The computed result for a claim.

    Attributes:
      computed: the value, as text.
      right: whether the value confirms the lecture; for a study, whether it gave an interval.
      truth: a correction or remark, in sentences; may be empty.
    """

    computed: str
    right: bool
    truth: str = ""


class Claim(NamedTuple):
    """A statement of a lecture.

    Attributes:
      id: a letter and a number, unique over all lectures.
      slide: title of its slide.
      quote: its words or number.
      stated: the recorded verdict, one of VERDICTS.
      compute: function that returns the finding.
      arguments: arguments of `compute`, including the lecture's numbers.
    """

    id: str
    slide: str
    quote: str
    stated: str
    compute: Callable[..., Finding]
    arguments: tuple[Any, ...]


class Result(NamedTuple):
    """A claim and its finding in this run."""

    claim: Claim
    finding: Finding

    @property
    def verdict(self) -> str:
        """The verdict by the computed value, one of VERDICTS."""
        if self.claim.stated in (BY_STUDY, ADVICE):
            return self.claim.stated
        if not self.finding.right:
            return ERRS
        return QUOTED if self.claim.stated == QUOTED else AGREES

    @property
    def supported(self) -> bool:
        """Whether the computed value supports the recorded verdict."""
        outcome = self.finding.right or self.claim.stated == ERRS
        return outcome and self.verdict == self.claim.stated

    @property
    def truth(self) -> str:
        """The correction or remark; never empty for an error."""
        if self.finding.truth or self.verdict != ERRS:
            return self.finding.truth
        return f"Here: {self.finding.computed}."


class Lecture(NamedTuple):
    """A lecture.

    Attributes:
      key: name for `--lecture`.
      title: title for readers.
      claims: claims in the order of their ids.
      author: author, empty if unknown.
      url: address of the slides, empty if unknown.
    """

    key: str
    title: str
    claims: tuple[Claim, ...]
    author: str = ""
    url: str = ""


def slide(name: str, *rows: tuple) -> tuple[Claim, ...]:
    """Return the claims of a slide; a row is (id, quote, verdict, compute, *arguments)."""
    return tuple(
        Claim(id, name, quote, stated, compute, tuple(arguments))
        for id, quote, stated, compute, *arguments in rows
    )


def evaluate(claim: Claim) -> Result:
    """Return the claim with a finding computed now."""
    return Result(claim, claim.compute(*claim.arguments))
