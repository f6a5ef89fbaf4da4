"""What a protocol is to those who run it."""

import enum
import inspect
from collections.abc import Callable
from typing import NamedTuple


class Sees(enum.Enum):
    """What of an image a protocol's views are cut from."""

    NETWORK = "the network's input, as in training's own tests"
    SQUARE = "the central square, at one scale"
    WHOLE = "all of it, whatever its aspect"


class Protocol(NamedTuple):
    """An entry of the table.

    Attributes:
      run: `(probabilities, images, size=, ...)` -> [n, classes]; its other arguments are options.
      sees: what of an image.
      by_position: whether `probabilities` may be those of each position, [n, h', w', classes].
    """

    run: Callable
    sees: Sees
    by_position: bool = False

    @property
    def makes_scales(self) -> bool:
        """Whether it makes several scales itself, its option `scales`."""
        return "scales" in inspect.signature(self.run).parameters
