"""What a study finds."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from cnn_history.reporting import style

Row = dict[str, Any]


class Picture(NamedTuple):
    """A figure of a study.

    Attributes:
      caption: what is seen, in words that stand for the picture where it cannot be seen.
      draw: writes it to the path that it is given.
    """

    caption: str
    draw: Callable[[pathlib.Path], None]


class Findings(NamedTuple):
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


def picture(caption: str, rows: int = 1, columns: int = 1, **options: Any) -> Callable:
    """Return a decorator: of draw(axes, *data) it makes (*data) -> Picture.

    Args:
      caption: of the picture.
      rows: of its grid of axes, which `draw` gets as matplotlib's `subplots` returns it.
      columns: likewise.
      options: of `subplots`, such as the size.
    """

    def decorate(draw: Callable[..., None]) -> Callable[..., Picture]:
        @functools.wraps(draw)
        def with_data(*data) -> Picture:
            def write(path: pathlib.Path) -> None:
                with style.figure(path, rows, columns, **options) as (_, axes):
                    draw(axes, *data)

            return Picture(caption, write)

        return with_data

    return decorate
