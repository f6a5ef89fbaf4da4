"""Ends all processes with the same status and line if one ends.

A process with an error tells the others. They may be waiting for it inside a collective, where no
exception arrives, so a thread in each process listens and ends it. Process 0, which has the
service, ends last. A killed process tells nothing; the runtime misses its heartbeat and aborts the
others.
"""

import contextlib
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator

import jax

from cnn_history.errors import WRONG_INPUT, Ending, UserError
from cnn_history.training import processes
from cnn_history.training.overdue import Overdue, end_all
from cnn_history.training.signals import SIGNALS, Stop

HEARD = "cnn_history/heard"  # folder of texts
FAILED = 1
LAST_WORDS = 10  # seconds that process 0 waits for the others to hear
# Errors of the runtime that a process may meet alone.
OWN = ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED")


@contextlib.contextmanager
def joined(count: str, process: int | None, coordinator: str | None) -> Iterator[None]:
    """Join the other processes, and end together with them; a single process ends as usual.

    The arguments are those of `processes.join`.
    """
    processes.join(count, process, coordinator)
    if processes.count() == 1:
        yield
        return
    end = _End()
    with _stopped_by_signals(), end:
        try:
            yield
            processes.everywhere("done")  # until then, another process may meet an error
        except UserError as error:
            end.of_all(WRONG_INPUT, " ".join(str(error).split()))
        except Ending as error:
            end.of_all(error.code, error.line)
        except jax.errors.JaxRuntimeError as error:
            if not str(error).startswith(OWN):
                _wait_for_abort()
            end.of_all(FAILED, " ".join(str(error).split()))
        except Exception as error:
            traceback.print_exc()
            end.of_all(FAILED, f"{type(error).__name__}: {error}")


class _End(threading.Thread):
    """Listens for the end of another process, while entered."""

    def __init__(self):
        super().__init__(daemon=True)
        self._over, self._leaving = threading.Event(), threading.Lock()
        self._verb = pathlib.Path(sys.argv[0]).stem

    def __enter__(self):
        self.start()

    def __exit__(self, *exception):
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(processes.POLL):
            try:
                ends = processes.told(processes.ENDS)
            except jax.errors.JaxRuntimeError:
                return  # the service is gone, and the runtime aborts
            for process, said in ends.items():
                status, _, line = said.partition(" ")
                ours = process == str(processes.number())
                self._leave(int(status), line if ours else f"process {process}: {line}")

    def of_all(self, status: int, line: str) -> None:
        """End all processes."""
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # the service is gone
            processes.end(status, line)
        self._leave(status, line)

    def _leave(self, status: int, line: str) -> None:
        """End this process; the first thread to call this decides status and line."""
        self._leaving.acquire()
        print(f"{self._verb}: {line}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            processes.tell(f"{HEARD}/{processes.number()}", "")
            until = time.monotonic() + LAST_WORDS
            while processes.number() == 0 and time.monotonic() < until:
                if len(processes.told(HEARD)) == processes.count():
                    break
                time.sleep(processes.POLL)
            time.sleep(2 * processes.POLL)  # until all have heard, the connections stay
        os._exit(status)  # an ordinary end would wait for the others' ordinary ends


def _wait_for_abort() -> None:
    """Report that a process was lost, and wait for jax to abort this one.

    The connection breaks first. HEARTBEAT seconds later, the runtime names the lost process and
    aborts with status 134. If process 0 is lost, its service is gone, and the abort is immediate.
    """
    message = "another process was lost: the one that the runtime names below, or 0 where its"
    message += " service cannot be reached."
    mend = "The same command, by all processes again, resumes from the last checkpoint."
    print(f"distributed: {message} {mend}", file=sys.stderr, flush=True)
    time.sleep(3 * processes.HEARTBEAT)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let signals end the program before a run has begun, also while waiting for others."""

    def stopped(number):
        return Stop(number, "nothing is unsaved")

    def overdue(number):
        end_all(stopped(number).code, stopped(number).line)

    def stop(number, frame):
        del frame
        watch.obeyed()
        raise stopped(number)

    watch = Overdue(SIGNALS, overdue)
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        with watch:
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
