"""Claims about the literature: compared with the papers' cited table, not computed."""

from cnn_history.lecture.claim import Finding
from cnn_history.papers import PUBLISHED, Paper, Published

TOPS = {"top-1": "top1", "top-5": "top5"}


def rows(paper: Paper, label: str | None = None, protocol: str | None = None) -> list[Published]:
    """Return the rows of a paper with a label, up to a comma, and a protocol; None is any."""
    return [
        row
        for row in PUBLISHED
        if row.paper == paper
        and (label is None or f"{row.label},".startswith(f"{label},"))
        and protocol in (None, row.protocol)
    ]


def test_errors(paper: Paper) -> list[float]:
    """Return the top-5 errors on test images that a paper prints, in percent."""
    return sorted(row.top5 for row in rows(paper) if row.split == "test")


def errors(paper: Paper, label: str, protocol: str, said: dict[str, float]) -> Finding:
    """Error rates in percent; `said` has those of the lecture, by name, such as `val top-1`.

    They are right if the paper's are the same, rounded to as many digits.
    """
    printed = {
        f"{row.split} {top}": (getattr(row, name), row.where)
        for row in rows(paper, label, protocol)
        for top, name in TOPS.items()
        if getattr(row, name) is not None
    }
    right = all(name in printed and same(value, printed[name][0]) for name, value in said.items())
    found = {name: printed[name] for name in said if name in printed}
    values = ", ".join(f"{name} {value}" for name, (value, _) in found.items())
    where = ", ".join(dict.fromkeys(where for _, where in found.values()))
    return Finding(
        f"printed: {values} ({paper.source}, {where})" if found else "not printed", right
    )


def same(said: float, printed: float) -> bool:
    """Say whether a number is the printed one, rounded to the digits that it has."""
    digits = len(str(said).partition(".")[2])
    return round(printed, digits) == said
