"""Claims on the console: a table for each slide when it is computed, then the counts."""

import collections
import itertools
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "agrees": "green",
    "errs": "bold red",
    "quoted": "cyan",
    "by study": "magenta",
    "advice": "dim",
}
WIDTH = 120  # columns, if the output is not a terminal


def _console() -> Console:
    return Console(highlight=False, width=None if Console().is_terminal else WIDTH)


def by_slide(title: str, claims: Sequence, results: Iterable) -> Iterator:
    """Print the lecture's title, and a table for each slide once computed; yield the results."""
    console, slides = _console(), itertools.groupby(claims, lambda claim: claim.slide)
    console.print(Text(title, "bold"), _table(show_header=True))
    with console.status("") as status:
        for slide, group in slides:
            table = _table(show_header=False)
            for claim in group:
                status.update(Text(f"{claim.id}: {claim.quote}"))
                result = next(results)
                table.add_row(*_cells(result))
                yield result
            console.print(Text(f"\n{slide}", "bold underline"), table)


def _table(show_header: bool) -> Table:
    """Return an empty table, with the same columns for all slides."""
    look = {"box": None, "pad_edge": False, "header_style": "bold", "expand": True}
    table = Table(show_header=show_header, **look)
    table.add_column("", width=4)
    table.add_column("verdict", width=8)
    table.add_column("the lecture", ratio=2, overflow="fold")
    table.add_column("computed here", ratio=3, overflow="fold")
    return table


def _cells(result) -> tuple:
    """Return id, verdict, the lecture's words, and the computed value above the correction."""
    computed = Text(result.finding.computed or "nothing to compute")
    if not result.supported:
        computed.append(f"\nno longer supports '{result.claim.stated}'", "bold red")
    if result.truth:
        computed.append(f"\n{result.truth}", "red" if result.verdict == "errs" else "dim")
    colour = COLOURS[result.verdict]
    return result.claim.id, Text(result.verdict, colour), Text(result.claim.quote), computed


def counts(results: Sequence, meanings: dict[str, str], seconds: float) -> None:
    """Print the number of claims with each verdict, its meaning, and the total time.

    Args:
      results: results of the claims.
      meanings: meaning of each verdict.
      seconds: total time.
    """
    found = collections.Counter(result.verdict for result in results)
    table = Table(box=None, pad_edge=False, show_header=False)
    for verdict, meaning in meanings.items():
        if found[verdict]:
            table.add_row(str(found[verdict]), Text(verdict, COLOURS[verdict]), Text(meaning))
    number = f"{len(results)} claim{'s' if len(results) > 1 else ''}"
    _console().print(Text(f"\n{number} in {seconds:.0f} s", "bold"), table)
