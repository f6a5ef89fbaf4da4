"""The interface of a protocol, for callers that run it."""

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cnn_history import choices


class Sees(enum.Enum):
    """The part of an image from which a protocol takes its views."""

    NETWORK = "the network's own input, as when a run measures its error"
    SQUARE = "the central square, at one scale"
    WHOLE = "the whole image, at its own aspect ratio"


class Protocol(NamedTuple):
    """An entry in the table of protocols.

    Attributes:
      run: `(probabilities, images, size=, ...)` -> [n, classes]; its signature defines its options.
      sees: the part of an image that it takes.
      by_position: whether `probabilities` may return one row per position, [n, h', w', classes].
    """

    run: Callable
    sees: Sees
    by_position: bool = False

    @property
    def options(self) -> Mapping[str, choices.Option]:
        """The options by name; `scales` if the protocol makes several scales itself."""
        return choices.options(self.run)
