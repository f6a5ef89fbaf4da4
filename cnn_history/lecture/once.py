"""What several claims need is computed once in a run."""

import functools
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable)

_REMEMBERED: list = []


def once(function: F) -> F:
    """Remember what `function` returns for its arguments, until `forget`."""
    remembered = functools.cache(function)
    _REMEMBERED.append(remembered)
    return remembered


def forget() -> None:
    """Forget it all: a new run computes anew."""
    for remembered in _REMEMBERED:
        remembered.cache_clear()
