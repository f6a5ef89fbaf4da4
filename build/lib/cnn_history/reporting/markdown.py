"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(names: Sequence[str], rows: Iterable[Sequence], numbers: int = 0) -> str:
    """Return a table; the last `numbers` columns are aligned to the right."""
    rule = "|" + "---|" * (len(names) - numbers) + "---:|" * numbers
    return "\n".join([_line(names), rule, *map(_line, rows)])


def _line(cells: Sequence) -> str:
    return f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in cells)} |"
