"""Signals that ask a run to stop; it saves first."""

import signal

from cnn_history.training import processes


class Stop(SystemExit):
    """The run was asked to stop, and has saved; the exit status is 128 + the signal's number."""


class StopRequest:
    """While entered, SIGTERM, SIGINT and SIGHUP are noted instead of ending the program.

    A second one does what it always does, so that an impatient Ctrl-C is obeyed.

    Attributes:
      signal: the one that came, None before.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._largest = processes.Largest()

    def __enter__(self):
        self._before = {s: signal.signal(s, self._note) for s in _signals()}
        return self

    def agreed(self) -> int:
        """Return the number of the signal that came, 0 for none, the same in every process.

        To be called by all processes at the same steps. Of several processes each hears, at one
        call, of a signal that reached any of them before the call before.
        """
        return self._largest(int(self.signal or 0))

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        del frame
        self.signal = signal.Signals(number)
        for s, handler in self._before.items():
            signal.signal(s, handler)


def _signals():
    return signal.SIGTERM, signal.SIGINT, signal.SIGHUP
