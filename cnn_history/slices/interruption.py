"""Lets a signal end a compilation at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@contextlib.contextmanager
def ends_at_once() -> Iterator[None]:
    """Within this context, a signal ends the process with status 128 + its number.

    Python's own handlers wait for the compiler to return, which can take minutes. Here a thread
    reads the signal from the pipe to which Python writes signals.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    pipe = signal.set_wakeup_fd(told)

    def end():
        for number in os.read(heard, 1):
            name = signal.Signals(number).name
            print(f"compile: stopped by {name}.", file=sys.stderr, flush=True)
            os._exit(128 + number)

    threading.Thread(target=end, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(pipe)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)
