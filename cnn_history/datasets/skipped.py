"""Counts images that cannot be decoded: names each once, and stops the run at a limit."""

import threading
from collections.abc import Callable


class TooManySkipped(Exception):
    """More images than the limit cannot be decoded; the message has one line."""


class Skipped:
    """Count of skipped images; any thread may call it."""

    def __init__(self, limit: int, say: Callable[[str], None]):
        """Allow `limit` images; `say` is called with a line for each."""
        self._limit, self._say = limit, say
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, name: str, why: str) -> None:
        """Record an image; raise TooManySkipped above the limit."""
        with self._lock:  # also guards the output: lines of two threads would mix
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
