"""Signals that arrive while the main thread waits for another process.

Python calls signal handlers between two instructions of the main thread, and a collective is one
instruction, however long it waits. But Python first writes the signal's number into a pipe, at once
and from any thread. The thread in this module reads that pipe.
"""

import contextlib
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator

import jax

from cnn_history.training import processes

PATIENCE = 8  # seconds without progress; the sum with the next ones is below processes.HEARTBEAT
STEPS = 3  # progress may take this many times the last step
LAST_WORDS = 4  # seconds for the others to hear it
UNKNOWN = 300  # seconds for a save, including a possible compilation


def end_all(status: int, line: str) -> None:
    """End all processes with a status and a line, whatever the main thread waits for."""

    def tell():
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # the service is gone
            processes.end(status, line)

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    time.sleep(LAST_WORDS)  # `together` hears it meanwhile and ends this process too
    if telling.is_alive():  # process 0 does not answer
        print(f"{pathlib.Path(sys.argv[0]).stem}: {line}", file=sys.stderr, flush=True)
    os._exit(status)


class Overdue(threading.Thread):
    """While entered, a signal ends all processes if this one makes no progress after it.

    Everything since the last checkpoint is then lost.
    """

    def __init__(self, signals: Collection[int], end: Callable[[int], None]):
        """Set up, without watching yet.

        Args:
          signals: signals to watch.
          end: called in this thread with the number of an overdue signal.
        """
        super().__init__(daemon=True)
        self._signals, self._end, self._over = frozenset(signals), end, threading.Event()
        self._headway, self._step, self._took, self._least = time.monotonic(), None, 0.0, PATIENCE

    def __enter__(self):
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self.start()
        return self

    def __exit__(self, *exception):
        signal.set_wakeup_fd(self._before)
        self.obeyed()
        self.join()
        os.close(self._read)
        os.close(self._write)

    def headway(self) -> None:
        """Note that the main thread has made progress."""
        self._headway = time.monotonic()

    def step(self) -> None:
        """Note a new step; the duration of the last one sets the patience."""
        self.headway()
        self._took = self._headway - self._step if self._step else 0.0
        self._step = self._headway

    def obeyed(self) -> None:
        """Stop watching: all processes know of the signal and save."""
        self._over.set()

    @contextlib.contextmanager
    def unknown(self) -> Iterator[None]:
        """Wait longer, for work of unknown duration."""
        self._least = UNKNOWN
        try:
            yield
        finally:
            self.headway()
            self._least = PATIENCE

    def run(self) -> None:
        """Read the pipe, and end by the first overdue signal."""
        number = since = 0
        while not self._over.wait(processes.POLL):
            with contextlib.suppress(BlockingIOError):  # none has come
                came = [one for one in os.read(self._read, 64) if one in self._signals]
                if came and not number:
                    number, since = came[0], time.monotonic()
            waited = time.monotonic() - max(since, self._headway)
            if number and waited > max(self._least, STEPS * self._took):
                self._end(number)
                return
