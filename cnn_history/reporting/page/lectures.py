"""The lectures and their claims, each with what this code computes."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from cnn_history.reporting.page.material import Material
from cnn_history.reporting.page.values import cell

VERDICTS = {
    "agrees": "computed here, and equal",
    "errs": "computed here, and different",
    "quoted": "a number from the literature, compared with the paper",
    "by study": "the outcome of an experiment",
    "advice": "neither true nor false",
}
COMMAND = "./launch.sh claims --format=json --output=runs/claims.json"
FIELDS = ("id", "slide", "quote", "computed", "verdict", "truth")


class Claims(NamedTuple):
    """All claims that were found, and what they are filtered by.

    Attributes:
      lectures: those that the claims are of.
      rows: FIELDS of each claim, as text.
      slides: in their order.
      verdicts: (verdict, its meaning, number of claims).
    """

    lectures: list
    rows: list[dict[str, str]]
    slides: list[str]
    verdicts: list[tuple[str, str, int]]


def claims(material: Material, lectures: Iterable) -> Claims:
    """Return the claims that were found, of these lectures and of unknown ones."""
    rows = [_row(claim) for claim in material.claims.values()]
    counts = Counter(row["verdict"] for row in rows)
    order = [*(verdict for verdict in VERDICTS if verdict in counts), *sorted(counts)]
    return Claims(
        [one for one in lectures if any(claim.id in material.claims for claim in one.claims)],
        rows,
        list(dict.fromkeys(row["slide"] for row in rows)),
        [(name, VERDICTS.get(name, ""), counts[name]) for name in dict.fromkeys(order)],
    )


def _row(claim: dict[str, Any]) -> dict[str, str]:
    values = {name: claim.get(name) for name in FIELDS}
    return {name: "" if value is None else cell(value) for name, value in values.items()}
