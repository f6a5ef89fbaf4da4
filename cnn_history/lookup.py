"""Lookup of names in tables, with errors that suggest the nearest name."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

CLOSE = 0.5  # least similarity of a suggested name


def nearest(name: str, names: Iterable[str]) -> str:
    """Return `did you mean 'x'?` with the nearest name, or a list of all if none is close."""
    names = sorted(names)
    if not names:
        return "there are none."
    likeness = {n: difflib.SequenceMatcher(None, str(name).lower(), n).ratio() for n in names}
    best = max(names, key=likeness.get, default=None)
    if best is not None and likeness[best] >= CLOSE:
        return f"did you mean '{best}'?"
    return f"it is one of {', '.join(names)}."


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """Return `table[name]`; raise ValueError with the nearest name for an unknown one."""
    if name not in table:
        raise ValueError(f"unknown {what} '{name}'; {nearest(name, table)}")
    return table[name]
