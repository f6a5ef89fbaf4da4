"""The tables of docs/pod.md from what was measured.

./launch.sh python -m tests.pod_tables
"""

import json
import pathlib

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "processes"


def rows(name):
    """Return the rows of a result."""
    return json.loads((RESULTS / f"{name}.json").read_text())["rows"]


def markdown(head, cells):
    """Return a table."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in cells)])


def equality():
    """Return the table of equality.json."""
    head = "processes", "devices of each", "data", "same examples", "first loss", "first gradient"
    head += (
        "30 losses",
        "parameters",
        "wrong of tested",
        "same bits again",
        "resumed from 4 processes",
    )
    return markdown(
        head,
        [
            [
                row["processes"],
                row["devices"],
                kind,
                "yes" if row[kind]["same_examples"] else "no",
                *(f"{row[kind][k]:.0e}" for k in ("first_loss", "first_gradient")),
                *(f"{row[kind][k]:.0e}" for k in ("loss", "parameters")),
                f"{row[kind]['wrong'][1]} of {row[kind]['count'][1]}",
                "yes" if row["same_bits_again"] else "no",
                f"{row['resumed_from_4_processes']:.0e}" if kind == "whole" else "",
            ]
            for row in rows("equality")
            for kind in ("whole", "streamed")
        ],
    )


def collectives():
    """Return the table of collectives.json."""
    head = "", "of the gradient", "of statistics", "of scalars", "parameters gathered"
    head += "of the batch", "other"
    return markdown(head, [row.values() for row in rows("collectives")])


def faults():
    """Return the table of faults.json."""
    head = "fault", "statuses", "after", "what is said", "resumes at"
    return markdown(
        head,
        [
            [
                row["fault"],
                ", ".join(map(str, row["statuses"])),
                f"{row['seconds']} s",
                "<br>".join(row["said"]),
                row.get("resumed_at", ""),
            ]
            for row in rows("faults")
        ],
    )


if __name__ == "__main__":
    for table in (equality, collectives, faults):
        print(table(), end="\n\n")
