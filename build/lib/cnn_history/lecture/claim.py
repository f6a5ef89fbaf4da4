"""What a lecture and its claims are, and how a claim is evaluated."""

from collections.abc import Callable
from typing import Any, NamedTuple

AGREES, ERRS, QUOTED = "agrees", "errs", "quoted"
BY_STUDY, ADVICE = "by study", "advice"
VERDICTS = {
    AGREES: "computed here, and as the lecture has it",
    ERRS: "computed here, and otherwise than the lecture has it",
    QUOTED: "a number or statement of the literature, as in the papers' cited table",
    BY_STUDY: "the outcome of a study run here, of several seeds with its 95 % interval",
    ADVICE: "nothing that can be true or false",
}


class Finding(NamedTuple):
    """What was computed for a claim.

    Attributes:
      computed: the value, as text.
      right: whether the lecture is right by it; of a study, whether it had an outcome.
      truth: what is so instead, or what has to be added, in a sentence; empty if nothing.
    """

    computed: str
    right: bool
    truth: str = ""


class Claim(NamedTuple):
    """A statement of a lecture.

    Attributes:
      id: a letter and a number; no other claim of any lecture has it.
      slide: where it stands.
      quote: its words, or the number in its place.
      stated: the verdict that is on record, one of VERDICTS.
      compute: returns the finding when it is called with `arguments`.
      arguments: the lecture's numbers among them.
    """

    id: str
    slide: str
    quote: str
    stated: str
    compute: Callable[..., Finding]
    arguments: tuple[Any, ...]


class Result(NamedTuple):
    """A claim, and what was found for it now."""

    claim: Claim
    finding: Finding

    @property
    def verdict(self) -> str:
        """What the computed value says of the claim, one of VERDICTS."""
        if self.claim.stated in (BY_STUDY, ADVICE):
            return self.claim.stated
        if not self.finding.right:
            return ERRS
        return QUOTED if self.claim.stated == QUOTED else AGREES

    @property
    def supported(self) -> bool:
        """Whether the verdict on record still holds."""
        outcome = self.finding.right or self.claim.stated == ERRS
        return outcome and self.verdict == self.claim.stated

    @property
    def truth(self) -> str:
        """What is so instead, or has to be added; of an error never empty."""
        if self.finding.truth or self.verdict != ERRS:
            return self.finding.truth
        return f"Here: {self.finding.computed}."


class Lecture(NamedTuple):
    """A lecture.

    Attributes:
      key: its name in commands.
      title: as it is shown.
      claims: in the order of their ids.
      author: or empty, where it is not known.
      url: of its slides; likewise.
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
    """Compute a claim."""
    return Result(claim, claim.compute(*claim.arguments))
