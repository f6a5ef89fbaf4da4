"""Claims about the literature: compared with the table in papers.py, not computed."""

from cnn_history.lecture.claim import Finding
from cnn_history.papers import PUBLISHED, Paper, Published

NUMBERS = ("val top-1", "val top-5", "test top-5")  # in the order of a row on the slides


def rows(paper: Paper, label: str | None = None, protocol: str | None = None) -> list[Published]:
    """Return the rows of a paper by label, up to a comma, and protocol; None matches any."""
    return [
        row
        for row in PUBLISHED
        if row.paper == paper
        and (label is None or f"{row.label},".startswith(f"{label},"))
        and protocol in (None, row.protocol)
    ]


def errors_on_test(paper: Paper, label: str | None = None) -> list[float]:
    """Return the top-5 test errors that a paper prints, in percent, ascending."""
    return sorted(row.top5 for row in rows(paper, label) if row.split == "test")


def errors(paper: Paper, label: str, protocol: str, *said: float | None) -> Finding:
    """Compare the lecture's error rates with the paper's, rounded to as many digits.

    `said` has the lecture's, in percent, in the order of NUMBERS; None if not on the slide.
    """
    asked = {name: value for name, value in zip(NUMBERS, said, strict=False) if value is not None}
    found = {
        name: (value, row.where)
        for name, (split, top) in zip(asked, map(str.split, asked), strict=True)
        for row in rows(paper, label, protocol)
        if row.split == split and (value := getattr(row, top.replace("-", ""))) is not None
    }
    right = all(name in found and same(value, found[name][0]) for name, value in asked.items())
    values = ", ".join(f"{name} {value}" for name, (value, _) in found.items())
    where = ", ".join(dict.fromkeys(where for _, where in found.values()))
    return Finding(
        f"printed: {values} ({paper.source}, {where})" if found else "not printed", right
    )


def same(said: float, printed: float) -> bool:
    """Return whether `said` is `printed`, rounded to as many digits."""
    digits = len(str(said).partition(".")[2])
    return round(printed, digits) == said
