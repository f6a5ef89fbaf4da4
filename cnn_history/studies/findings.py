"""What a study finds."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of a study.

    Attributes:
      caption: what is seen, in words that stand for the picture where it cannot be seen.
      draw: writes it to the path that it is given.
    """

    caption: str
    draw: Callable[[pathlib.Path], None]


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a study returns.

    Attributes:
      question: the lecture's, or its claim, in its words.
      answer: what was computed, in a sentence made from the numbers.
      rows: of the table, flat; numbers of several seeds stand as `x`, `x_sd` and `n`.
      pictures: by file name, such as `std_by_layer.png`.
    """

    question: str
    answer: str
    rows: list[Row]
    pictures: dict[str, Picture]
