"""The interface of a suite of measurements."""

import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Effort(NamedTuple):
    """The duration of measurements, and the contestants.

    Attributes:
      rounds: turns of each contestant.
      seconds: approximate duration of a turn.
      torch: whether to measure PyTorch too.
      photos: folder of JPEG files for the input suite; None for the two of scikit-learn.
    """

    rounds: int
    seconds: float
    torch: bool = False
    photos: pathlib.Path | None = None


class Suite(NamedTuple):
    """Rows that are measured together.

    Attributes:
      names: names of the rows in order, such as networks.
      measure: (chosen names, effort, ceilings) -> an iterator over the rows.
      ceilings: (chosen names, effort) -> the device's ceilings by dtype.
      beside_torch: whether PyTorch can be measured too.
      one_processor: whether the process must keep to one processor.
      on_gpu: whether the suite needs a GPU.
      together: whether the rows of all names take turns, or only those of one name.
    """

    names: tuple[str, ...]
    measure: Callable[[set[str], Effort, dict], Iterator[dict]]
    ceilings: Callable[[set[str], Effort], dict] = lambda names, effort: {}
    beside_torch: bool = True
    one_processor: bool = False
    on_gpu: bool = False
    together: bool = False

    def parts(self, names: set[str]) -> list[set[str]]:
        """Return the chosen names in groups that are measured one after another."""
        if self.together:
            return [names] if names else []
        return [{name} for name in self.names if name in names]
