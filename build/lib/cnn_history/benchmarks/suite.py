"""What a suite is, and how it is asked to measure."""

import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Effort(NamedTuple):
    """How long is measured, and beside what.

    Attributes:
      rounds: turns of each contestant.
      seconds: that a turn takes, about.
      torch: whether PyTorch runs too.
      photos: folder of JPEG files, for what reads some; None for two that come with scikit-learn.
    """

    rounds: int
    seconds: float
    torch: bool = False
    photos: pathlib.Path | None = None


class Suite(NamedTuple):
    """Rows that are measured together.

    Attributes:
      names: of its rows, in order: networks, or what stands in their place.
      measure: (chosen names, effort) -> the rows, as they are made.
      ceilings: (chosen names, effort) -> what the device can do, by dtype.
      beside_torch: whether PyTorch has something to run beside them.
      one_processor: whether the process keeps to one.
      on_gpu: whether it needs a GPU.
      together: whether all rows take turns, or those of a name alone.
    """

    names: tuple[str, ...]
    measure: Callable[[set[str], Effort, dict], Iterator[dict]]
    ceilings: Callable[[set[str], Effort], dict] = lambda names, effort: {}
    beside_torch: bool = True
    one_processor: bool = False
    on_gpu: bool = False
    together: bool = False

    def parts(self, names: set[str]) -> list[set[str]]:
        """Return the names that are measured one after another, in order."""
        if self.together:
            return [names] if names else []
        return [{name} for name in self.names if name in names]
