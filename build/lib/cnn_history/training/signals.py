"""Signals that ask a run to stop; it saves first."""

import contextlib
import signal
from collections.abc import Callable

from cnn_history.errors import Ending
from cnn_history.training import processes

# The last is what Slurm's --signal=USR1 and submitit send before the time is over.
SIGNALS = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1


class Stop(Ending):
    """The run was asked to stop, and has saved; the exit status is 128 + the signal's number."""

    def __init__(self, number: int, saved: str):
        line = f"Stopped by {signal.Signals(number).name}; {saved}; the same command goes on."
        super().__init__(128 + number, line)


class Asked(BaseException):
    """A signal came where nothing has to be finished first; no `except Exception` may hold it."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class StopRequest:
    """While entered, SIGNALS are noted instead of ending the program.

    A second one does what it always does, so that an impatient Ctrl-C is obeyed.

    Attributes:
      signal: the one that came, None before.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._largest = processes.Largest()
        self._at_once = False

    def __enter__(self):
        self._before = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def agreed(self) -> int:
        """Return the number of the signal that came, 0 for none, the same in every process.

        To be called by all processes at the same steps. Of several processes each hears, at one
        call, of a signal that reached any of them before the call before.
        """
        return self._largest(int(self.signal or 0))

    @contextlib.contextmanager
    def at_once(self, together: bool = False):
        """A signal raises Asked; with several processes it is noted, but `together`.

        Inside a compilation too, of which jax from 0.11 on makes an end first.
        """
        self._at_once = together or processes.count() == 1
        try:
            if self.signal and self._at_once:
                raise Asked(self.signal)
            yield
        finally:
            self._at_once = False

    def interrupts(self, work: Callable[[], None]) -> int:
        """Do some work at_once; return the number of a signal that broke it off, 0 for none."""
        try:
            with self.at_once():
                work()
        except Asked as asked:
            return asked.number
        return 0

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        del frame
        self.signal = signal.Signals(number)
        for s, handler in self._before.items():
            signal.signal(s, handler)
        if self._at_once:
            raise Asked(number)
