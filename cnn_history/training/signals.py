"""Signals that ask a run to stop; it saves first."""

import contextlib
import signal
from collections.abc import Callable

from cnn_history.errors import Ending
from cnn_history.training import processes
from cnn_history.training.overdue import Overdue, end_all

# Slurm's --signal=USR1 and submitit send the last one before the time limit.
SIGNALS = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1


class Stop(Ending):
    """The run was asked to stop, and has saved; the exit status is 128 + the signal's number."""

    def __init__(self, number: int, saved: str):
        line = f"Stopped by {signal.Signals(number).name}; {saved}; the same command resumes."
        super().__init__(128 + number, line)


class Asked(BaseException):
    """A signal arrived when nothing must be finished; `except Exception` must not catch it."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class StopRequest:
    """While entered, SIGNALS are noted instead of ending the program.

    A second signal has its usual effect, so an impatient Ctrl-C works. If a process then waits too
    long for another, all processes end without saving (`overdue`).

    Attributes:
      signal: the signal that arrived, or None.
      saved: the newest saved step, or None.
      watch: the Overdue thread, which is told of progress.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self.saved: int | None = None
        self.watch = Overdue(SIGNALS, self._end)
        self._largest = processes.Largest()
        self._at_once = False

    def __enter__(self):
        self._before = {s: signal.signal(s, self._note) for s in SIGNALS}
        if processes.count() > 1:
            self.watch.__enter__()
        return self

    def agreed(self) -> int:
        """Return the number of a signal, or 0; the same in every process.

        All processes must call this at the same steps. A signal received by any process is reported
        to all of them one call later.
        """
        self.watch.step()
        if number := self._largest(int(self.signal or 0)):
            self.watch.obeyed()
        return number

    @contextlib.contextmanager
    def at_once(self, together: bool = False):
        """Let a signal raise Asked; several processes only note it, unless `together`.

        This works during a compilation too, which jax 0.11 and later finish first.
        """
        self._at_once = together or processes.count() == 1
        try:
            if self.signal and self._at_once:
                raise Asked(self.signal)
            yield
        finally:
            self._at_once = False

    def interrupts(self, work: Callable[[], None]) -> int:
        """Do some work; return the number of a signal that interrupted it, or 0."""
        try:
            with self.at_once():
                work()
        except Asked as asked:
            return asked.number
        return 0

    def __exit__(self, *exception):
        if self.watch.is_alive():
            self.watch.__exit__(*exception)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int) -> None:
        newest = "none" if self.saved is None else f"step {self.saved:,}"
        stop = Stop(number, f"another process kept it waiting, and the last step saved is {newest}")
        end_all(stop.code, stop.line)

    def _note(self, number, frame):
        del frame
        self.signal = signal.Signals(number)
        for s, handler in self._before.items():
            signal.signal(s, handler)
        if self._at_once:
            raise Asked(number)
