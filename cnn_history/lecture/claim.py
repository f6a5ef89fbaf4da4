"""What a claim of the lecture is, and what becomes of it when it is evaluated."""

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


class Found(NamedTuple):
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
    """A statement of the lecture.

    Attributes:
      id: C001 to C168.
      slide: where it stands.
      quote: its words, or the number in its place.
      stated: the verdict that is on record, one of VERDICTS.
      compute: returns Found when it is called with `arguments`.
      arguments: the lecture's numbers among them.
    """

    id: str
    slide: str
    quote: str
    stated: str
    compute: Callable[..., Found]
    arguments: tuple[Any, ...]


class Result(NamedTuple):
    """A claim, and what was found now."""

    claim: Claim
    found: Found

    @property
    def verdict(self) -> str:
        """What the computed value says of the claim, one of VERDICTS."""
        if self.claim.stated in (BY_STUDY, ADVICE):
            return self.claim.stated
        if not self.found.right:
            return ERRS
        return QUOTED if self.claim.stated == QUOTED else AGREES

    @property
    def supported(self) -> bool:
        """Whether the verdict on record still holds."""
        outcome = self.found.right or self.claim.stated == ERRS
        return outcome and self.verdict == self.claim.stated

    @property
    def truth(self) -> str:
        """What is so instead, or has to be added; of an error never empty."""
        if self.found.truth or self.verdict != ERRS:
            return self.found.truth
        return f"Here: {self.found.computed}."


def slide(name: str, *rows: tuple) -> tuple[Claim, ...]:
    """Return the claims of a slide; a row is (id, quote, verdict, compute, *arguments)."""
    return tuple(
        Claim(id, name, quote, stated, compute, tuple(arguments))
        for id, quote, stated, compute, *arguments in rows
    )


def evaluate(claim: Claim) -> Result:
    """Compute a claim."""
    return Result(claim, claim.compute(*claim.arguments))
