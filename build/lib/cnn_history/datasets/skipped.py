"""Images that cannot be decoded: each is named once, and too many stop the run."""

import threading
from collections.abc import Callable


class TooManySkipped(Exception):
    """More images than the limit cannot be decoded; the message is one line."""


class Skipped:
    """Counts them, from any thread."""

    def __init__(self, limit: int, say: Callable[[str], None]):
        """Allow `limit` images; `say` gets a line for each."""
        self._limit, self._say = limit, say
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, name: str, why: str) -> None:
        """Take note of an image; raise TooManySkipped if it is one too many."""
        with self._lock:  # also for the line: two threads' would run into one
            if name in self._names:
                return
            self._names.add(name)
            if len(self._names) > self._limit:
                raise TooManySkipped(
                    f"config.skipped_images: more than {self._limit} images cannot be decoded, now "
                    f"{name}: {why}."
                )
            self._say(f"skipped: {name}: {why}")

    def __len__(self) -> int:
        return len(self._names)
