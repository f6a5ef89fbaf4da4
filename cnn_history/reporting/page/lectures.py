"""The lectures and their claims, each with what this code computes."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from cnn_history.reporting.page.material import Material
from cnn_history.reporting.page.values import cell

VERDICTS = {
    "agrees": "computed here, and the lecture is right",
    "errs": "computed here, and the lecture is wrong",
    "quoted": "quoted from the literature, and right by the papers' tables",
    "by study": "decided by a study",
    "advice": "neither true nor false",
}
COMMAND = "./launch.sh claims --format=json --output=runs/claims.json"
FIELDS = ("id", "slide", "quote", "computed", "verdict", "truth")


def claims(material: Material, lectures: Iterable) -> dict[str, Any]:
    """Return the claims in the material, also those of unknown lectures.

    `lectures` are those with claims here, `rows` has FIELDS of each claim as text, and `verdicts`
    is a list of (verdict, meaning, number of claims).
    """
    rows = [_row(claim) for claim in material.claims.values()]
    counts = Counter(row["verdict"] for row in rows)
    order = [*(verdict for verdict in VERDICTS if verdict in counts), *sorted(counts)]
    return {
        "lectures": [one for one in lectures if any(c.id in material.claims for c in one.claims)],
        "rows": rows,
        "verdicts": [(name, VERDICTS.get(name, ""), counts[name]) for name in dict.fromkeys(order)],
    }


def _row(claim: dict[str, Any]) -> dict[str, str]:
    return {name: cell(claim[name]) if claim.get(name) is not None else "" for name in FIELDS}
