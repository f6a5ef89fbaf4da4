"""Progress: a bar in a terminal, elsewhere a line from time to time."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

QUIET_SECONDS = 10  # seconds between lines without a terminal, and before the first announcement


class ProgressBar:
    """Steps, rate, time left and the newest errors, on standard error.

    Only one of several processes prints; the others are `quiet`.
    """

    def __init__(self, step: int, steps: int, quiet: bool = False):
        self._console = Console(stderr=True, highlight=False, markup=False, quiet=quiet)
        self._steps, self._first, self._started = steps, step, time.monotonic()
        self._tested, self._last_line = "", -float("inf")
        self._bar = Progress(
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=step, numbers="compiling ...")

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *exception):
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, soft_wrap=True)

    @contextlib.contextmanager
    def compiling(self, what: str) -> Iterator[None]:
        """Say that something compiles once it has taken `QUIET_SECONDS`.

        The estimate of the time left leaves this time out.
        """
        late = threading.Timer(QUIET_SECONDS, self.say, [f"still compiling {what} ..."])
        late.daemon = True
        late.start()
        began = time.monotonic()
        try:
            yield
        finally:
            late.cancel()
            self._started += time.monotonic() - began

    def train(self, step: int, metrics: dict) -> None:
        """Show a train line of metrics.jsonl."""
        numbers = [
            f"loss {metrics['loss']:.4f}",
            f"train error {metrics['top1_error']:.2%}",
            f"{metrics['images_per_second']:,.0f} images/s",
        ]
        if self._tested:
            numbers.append(self._tested)
        self._bar.update(self._task, completed=step, numbers="  ".join(numbers))
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line > QUIET_SECONDS:
            left = (now - self._started) / max(step - self._first, 1) * (self._steps - step)
            line = f"step {step:,}/{self._steps:,}  " + "  ".join([*numbers, f"{clock(left)} left"])
            self._console.print(line, soft_wrap=True)
            self._last_line = now

    def test(self, step: int, error: float) -> None:
        """Remember the newest test error and its step, for the next lines."""
        self._tested = f"test error {error:.2%} (step {step:,})"


def clock(seconds: float) -> str:
    """Return a duration as text: 2:05 or 1:02:05."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def estimating(
    function: Callable[[Any], Any], size: Callable[[Any], int], total: int, say: Callable
) -> Callable[[Any], Any]:
    """Return `function`, which also says the time left once, if it runs for QUIET_SECONDS.

    Args:
      function: called for one batch after another; its first call compiles and is not timed.
      size: batch -> number of its examples.
      total: number of all examples.
      say: prints a line.
    """
    calls, done, started, said = 0, 0, 0.0, False

    def timing(batch):
        nonlocal calls, done, started, said
        now = time.monotonic()
        if calls == 1:
            started = now
        elif calls > 1 and not said and now - started > QUIET_SECONDS:
            left = (total - done) / size(batch)
            say(f"about {clock((now - started) / (calls - 1) * left)} left")
            said = True
        calls, done = calls + 1, done + size(batch)
        return function(batch)

    return timing
