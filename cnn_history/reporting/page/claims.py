"""The lecture's claims, each with what this code computes."""

import dataclasses
from collections import Counter
from typing import Any

from cnn_history.reporting.page.found import Found
from cnn_history.reporting.page.values import cell

VERDICTS = {
    "agrees": "computed here, and equal",
    "errs": "computed here, and different",
    "quoted": "a number from the literature, compared with the paper",
    "by study": "the outcome of an experiment",
    "advice": "neither true nor false",
}
COMMAND = "./launch.sh claims --format=json --output=runs/claims.json"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim as the page shows it; everything is text."""

    id: str
    slide: str
    quote: str
    computed: str
    verdict: str
    truth: str


@dataclasses.dataclass(frozen=True)
class Claims:
    """All claims, in the order of the lecture, and what they are filtered by."""

    rows: list[Claim]
    slides: list[str]
    verdicts: list[tuple[str, str, int]]  # verdict, its meaning, number of claims


def claims(found: Found) -> Claims:
    """Return the claims that were found."""
    rows = [_claim(row) for row in found.claims.values()]
    counts = Counter(row.verdict for row in rows)
    known = [verdict for verdict in VERDICTS if verdict in counts]
    others = sorted(set(counts) - set(known))
    return Claims(
        rows,
        list(dict.fromkeys(row.slide for row in rows)),
        [(verdict, VERDICTS.get(verdict, ""), counts[verdict]) for verdict in [*known, *others]],
    )


def _claim(row: dict[str, Any]) -> Claim:
    fields = {field.name: row.get(field.name, "") for field in dataclasses.fields(Claim)}
    return Claim(**{name: "" if v is None else cell(v) for name, v in fields.items()})
