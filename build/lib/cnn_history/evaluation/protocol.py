"""What a protocol is to those who run it."""

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cnn_history import choices


class Sees(enum.Enum):
    """What of an image a protocol's views are cut from."""

    NETWORK = "what the network itself takes, as where a run measures its error"
    SQUARE = "the central square, at one scale"
    WHOLE = "all of it, whatever its aspect"


class Protocol(NamedTuple):
    """An entry of the table.

    Attributes:
      run: `(probabilities, images, size=, ...)` -> [n, classes]; its signature says its options.
      sees: what of an image.
      by_position: whether `probabilities` may be those of each position, [n, h', w', classes].
    """

    run: Callable
    sees: Sees
    by_position: bool = False

    @property
    def options(self) -> Mapping[str, choices.Option]:
        """The options by name; `scales` where the protocol makes several scales itself."""
        return choices.options(self.run)
