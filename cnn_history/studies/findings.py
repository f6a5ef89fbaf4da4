"""The result of a study: a table, an answer and figures."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from cnn_history.reporting import style

Row = dict[str, Any]


class Picture(NamedTuple):
    """A figure of a study.

    Attributes:
      caption: describes the figure, also for readers who cannot see it.
      draw: writes the figure to a path.
    """

    caption: str
    draw: Callable[[pathlib.Path], None]


class Findings(NamedTuple):
    """The result of a study.

    Attributes:
      question: the lecture's question or claim, in its words.
      answer: the result in sentences, with the computed numbers.
      rows: rows of the table, flat; a mean over seeds is in columns `x`, `x_sd` and `n`.
      pictures: figures by file name, such as `by_layer.png`.
    """

    question: str
    answer: str
    rows: list[Row]
    pictures: dict[str, Picture]


def picture(caption: str, rows: int = 1, columns: int = 1, **options: Any) -> Callable:
    """Return a decorator that turns draw(axes, *data) into (*data) -> Picture.

    Args:
      caption: caption of the figure.
      rows: rows of the grid of axes, which `draw` gets as matplotlib's `subplots` returns it.
      columns: its columns.
      options: options of `subplots`, such as figsize.
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
