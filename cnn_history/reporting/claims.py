"""The lecture's claims on the console: slide by slide as they are computed, then their counts."""

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
WIDTH = 120  # columns, where nothing says how many there are


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def by_slide(claims: Sequence, results: Iterable) -> Iterator:
    """Print a table for each slide as soon as it is done, and yield the results on."""
    console = _console()
    with console.status("") as status:
        for title, group in itertools.groupby(claims, lambda claim: claim.slide):
            table = Table(box=None, pad_edge=False, show_header=False, expand=True)
            for ratio, width in ((None, 4), (None, 8), (2, None), (3, None)):
                table.add_column(ratio=ratio, width=width, overflow="fold")
            for claim in group:
                status.update(f"{claim.id}: {claim.quote}")
                result = next(results)
                table.add_row(*_cells(result))
                yield result
            console.print(Text(f"\n{title}", "bold"), table)


def _cells(result) -> tuple:
    """Return id, verdict, the lecture's words, and what was computed above what is so instead."""
    computed = Text(result.found.computed or "nothing to compute")
    if not result.supported:
        computed.append(f"\nno longer supports '{result.claim.stated}'", "bold red")
    if result.truth:
        computed.append(f"\n{result.truth}", "red" if result.verdict == "errs" else "dim")
    colour = COLOURS[result.verdict]
    return result.claim.id, Text(result.verdict, colour), Text(result.claim.quote), computed


def counts(results: Sequence, seconds: float) -> None:
    """Print how many claims got which verdict, and how long it took."""
    found = collections.Counter(result.verdict for result in results)
    parts = [Text(f"{found[verdict]} {verdict}", colour) for verdict, colour in COLOURS.items()
             if found[verdict]]  # fmt: skip
    head = Text(f"\n{len(results)} claims in {seconds:.0f} s: ")
    _console().print(head + Text(", ").join(parts))
