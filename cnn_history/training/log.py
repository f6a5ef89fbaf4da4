"""Turns the metrics of steps into lines of metrics.jsonl without blocking the device."""

import statistics
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from cnn_history.errors import Ending
from cnn_history.evaluation import errors
from cnn_history.experiment import Plan
from cnn_history.files.record import Metrics
from cnn_history.training.progress import ProgressBar

NUMBERS = ("loss", "gradient_norm", "update_norm")  # reported for a step that is not finite


class NonFinite(Ending):
    """Something in a step was NaN or infinite; the update was not applied."""


class Log:
    """Fetches the metrics of a call after the next call has been made, so the device never waits.

    A train line holds means over the last `log_every` steps that were not skipped, including
    `data_wait`, the seconds that a step waited for data; the last step's learning rate; and the
    seconds that the run has trained, including earlier processes.
    """

    def __init__(
        self,
        metrics: Metrics,
        bar: ProgressBar,
        plan: Plan,
        split: str,
        quantities: Sequence[str],
        examples: Callable[[int], np.ndarray],
    ):
        """Start logging.

        Args:
          metrics: receives the lines.
          bar: shows progress.
          plan: the plan of the run.
          split: the training split, for messages.
          quantities: the quantities of a step, as `finite.quantities` names them.
          examples: step -> the numbers of its examples.
        """
        self._metrics, self._bar, self._plan = metrics, bar, plan
        self._split, self._quantities, self._examples = split, quantities, examples
        self._started = time.monotonic() - metrics.seconds()
        self._pending, self._window = None, []
        # The rate counts the time of steps alone, from the second call on: the first compiles.
        self._mark, self._timed_images, self._timed_seconds = None, 0, 0.0

    def made(self, step: int, count: int, made: dict, waited: float) -> None:
        """Accept the metrics of `count` steps from `step`; raise NonFinite for earlier steps.

        `waited` is the number of seconds that their data took to arrive.
        """
        # On a CPU the call is done already (devices.start); elsewhere, once it can be fetched.
        finished = time.monotonic() if _ready(made) else None
        earlier, self._pending = self._pending, (step, count, made, waited, finished)
        if earlier:
            self._fetch(*earlier)

    def settle(self) -> None:
        """Fetch pending metrics; raise NonFinite if a step was neither applied nor skipped."""
        if self._pending:
            self._fetch(*self._pending)
        self._pending = self._mark = None

    def test(self, step: int, made: dict) -> dict[str, float]:
        """Write the test line of a step, once; return its loss and errors."""
        losses = {name: float(np.mean(made[name])) for name in ("loss", "cross_entropy")}
        numbers = {**losses, **errors(made["probabilities"], made["label"])}
        if not self._metrics.evaluated(step):
            line = {"step": step, "split": "test", **numbers, "seconds": self._seconds()}
            self._metrics.write(line)
        self._bar.test(step, self._metrics.test_error())
        return numbers

    def totals(self) -> dict[str, float]:
        """Return `seconds` of the whole run and the median `images_per_second` of its lines."""
        rates = [x["images_per_second"] for x in self._metrics.lines if x["split"] == "train"]
        rate = statistics.median(rates) if rates else 0.0
        return {"seconds": self._seconds(), "images_per_second": round(rate, 1)}

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _fetch(
        self, step: int, count: int, made: dict, waited: float, finished: float | None
    ) -> None:
        made = {name: np.reshape(values, -1) for name, values in jax.device_get(made).items()}
        finished = finished or time.monotonic()
        if self._mark is not None:
            self._timed_images += count * self._plan.batch_size
            self._timed_seconds += finished - self._mark
        self._mark = finished
        for i in range(count):
            one = {name: float(values[i]) for name, values in made.items()}
            applied, skipped, first_bad = (one.pop(k) for k in ("applied", "skipped", "first_bad"))
            if applied:
                self._window.append({**one, "data_wait": waited / count})
            elif skipped:
                self._bar.say(f"skipped: {self._blame(step + i, int(first_bad), one)}.")
            else:
                raise NonFinite(
                    1,
                    f"{self._blame(step + i, int(first_bad), one)}. The update was not applied and "
                    "no checkpoint was written since; a lower learning_rate usually helps; "
                    f"config.skipped_steps={self._plan.skipped_steps + 1} would skip the step.",
                )
            if (step + i + 1) % self._plan.log_every == 0 or step + i + 1 == self._plan.steps:
                self._write(step + i + 1)

    def _write(self, step: int) -> None:
        if not self._window:
            return  # all steps were skipped
        mean = {name: statistics.fmean(m[name] for m in self._window) for name in self._window[0]}
        mean["learning_rate"] = self._window[-1]["learning_rate"]
        rate = self._timed_images / self._timed_seconds if self._timed_seconds else 0.0
        line = {**mean, "images_per_second": round(rate, 1), "seconds": self._seconds()}
        self._metrics.write({"step": step, "split": "train", **line})
        self._bar.train(step, line)
        self._window, self._timed_images, self._timed_seconds = [], 0, 0.0

    def _blame(self, step: int, first_bad: int, metrics: dict[str, float]) -> str:
        numbers = (f"{name.replace('_', ' ')} {metrics[name]:.4g}" for name in NUMBERS)
        ids = ", ".join(map(str, self._examples(step)))
        return (
            f"step {step}: the first non-finite quantity is the {self._quantities[first_bad]} "
            f"({', '.join(numbers)}), of {self._split}'s examples {ids}"
        )


def _ready(made: dict) -> bool:
    return all(values.is_ready() for values in made.values())
