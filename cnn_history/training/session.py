"""A run in progress: its state, and the operations of the training loop."""

import contextlib
import functools
import sys
import time
from collections.abc import Callable

import jax
import optax

from cnn_history.datasets import examples, stream
from cnn_history.datasets.identity import Identity
from cnn_history.datasets.skipped import Skipped
from cnn_history.errors import UserError
from cnn_history.experiment import Experiment
from cnn_history.files import bucket, record, workdir
from cnn_history.files.checkpoint import BEST, Checkpoints
from cnn_history.training import devices, events, feed, finite, processes, program, trained
from cnn_history.training.log import Log
from cnn_history.training.progress import ProgressBar
from cnn_history.training.signals import StopRequest
from cnn_history.training.state import State
from cnn_history.training.statistics import recompute

PROTOCOL = "single_crop"  # for the test error during training


class Session:
    """An opened run, at its newest checkpoint or at its start.

    Attributes:
      experiment: the parts of the run.
      place: its files.
      metrics: the lines of metrics.jsonl.
      testing: the test examples.
      state: the current state.
      step: number of steps made.
      tested: the newest evaluation's results, by example.
    """

    def __init__(
        self,
        experiment: Experiment,
        kept: dict,
        data: dict[str, Identity],
        place: bucket.Place,
        check_lock: Callable[[], None],
        stop: StopRequest,
        stack: contextlib.ExitStack,
        start: Callable | None = None,
    ):
        """Open a run.

        Raises UserError if the run is past its last step, or the network that it starts from does
        not fit; Damaged if no checkpoint is complete; OtherStructure if the run's state is of
        another version.

        Args:
          experiment: the parts of the run.
          kept: its config, as the work directory stores it.
          data: the identity of its data, as the work directory stores it.
          place: the work directory.
          check_lock: raises FileNotFoundError if the directory has been replaced.
          stop: notes signals.
          stack: closes everything that is opened here.
          start: (random variables, data) -> (initial variables, description); None to keep those.
        """
        self.experiment, self.place = experiment, place
        self.check_lock, self._stop, self._mesh = check_lock, stop, devices.mesh()
        self.tested, self._called = None, set()  # programs: the first call compiles
        self._true_at = None  # the step whose statistics are true averages
        self._taken = ""  # describes the layers taken from another network
        plan, chief, folder = experiment.plan, processes.chief(), place.files
        say = functools.partial(print, file=sys.stderr, flush=True)
        self._skipped = skip = Skipped(plan.skipped_images, say)
        sizes = experiment.size, experiment.adapter
        measure = functools.partial(examples.measure, experiment.train, *sizes, skip)
        images = experiment.images(
            functools.partial(workdir.statistics, folder, measure, writes=chief)
        )
        self.testing = examples.examples(experiment.test, *sizes, skip)
        self._feed = feed.feed(experiment, images, skip, self._mesh)
        stack.enter_context(contextlib.closing(self._feed))
        self._program = program.make(experiment, images, self._feed, self._mesh)
        self._checkpoints = stack.enter_context(
            Checkpoints(place.folder, plan.keep_checkpoints, chief, processes.from_chief)
        )
        self._best = plan.keep_best and stack.enter_context(
            Checkpoints(place.folder / BEST, 1, chief, processes.from_chief)
        )
        self.state = self._first_state(start, data)
        self.step = int(self.state.step)
        self._stop.saved = self._checkpoints.latest()
        self._parts = workdir.parts(folder, self.step, {"steps": plan.steps, **_made_with()})
        if chief:
            record.write_json(folder / workdir.PARTS, self._parts)
            workdir.save_data(folder, data)
            workdir.save_inputs(folder, images.preprocessing, experiment.train)
            record.write_json(folder / workdir.CONFIG, kept)  # last: it marks the run as readable
        # A run killed before its first checkpoint starts over, so its old lines are dropped.
        seen = -1 if self._checkpoints.latest() is None else self.step
        self.metrics = stack.enter_context(record.Metrics(folder, seen, writes=chief))
        self._bar = bar = stack.enter_context(ProgressBar(self.step, plan.steps, quiet=not chief))
        bar.say(self._headline())
        left = f"{plan.steps - self.step:,} steps of {plan.batch_size:,} images"
        bar.say(f"{left}; figures, metrics and checkpoints go to {place.folder}")
        if self._taken:
            bar.say(self._taken)
        for note in experiment.notes:
            bar.say(note)
        for source in (experiment.train, experiment.test):
            if source.left_out:
                bar.say(source.left_out)
        quantities = finite.quantities(
            trained.pick(self.state.params, experiment.trained), self.state.model_state
        )
        of_step = experiment.train.split, quantities, self._feed.examples
        self._log = Log(self.metrics, bar, plan, *of_step)

    def _first_state(self, start: Callable | None, data: dict[str, Identity]) -> State:
        """Return the newest checkpoint's state, or an initial one."""
        latest, steps = self._checkpoints.latest(), self.experiment.plan.steps
        if latest is not None:
            if latest > steps:
                raise UserError(
                    f"config.steps: the run has made {latest} steps already, more than {steps}."
                )
            return self._checkpoints.restore(self._program.abstract)
        state = self._program.init()
        if start is None:
            return state
        variables, self._taken = start({"params": state.params, **state.model_state}, data=data)
        variables = jax.device_put(variables, devices.replicated(self._mesh))
        return state.replace(params=variables.pop("params"), model_state=variables)

    def _headline(self) -> str:
        train, test = self.experiment.train, self.experiment.test
        images = f"{len(train):,} training and {len(test):,} test images of {train.name}"
        resumed = f"; resuming at step {self.step:,}" if self.step else ""
        network = f"{self.experiment.model}, {self._parameters():,} parameters"
        return f"{network}, on {images}; {record.devices()}{resumed}"

    def _parameters(self) -> int:
        return optax.tree.size(self.state.params)

    def event(self) -> events.Event:
        """Return what happens at this step."""
        return events.at(self.step, self.experiment.plan, self._feed.stride)

    @property
    def learns_from_evaluation(self) -> bool:
        """Tell whether an evaluation changes the state, so that it must finish before a save."""
        return bool(self.experiment.plan.statistics_batches) or self._program.observe is not None

    def evaluate(self) -> int:
        """Measure the test error unless it is known for this step; always at the last step.

        Returns the number of a signal that interrupted it, or 0. An evaluation that changes the
        state is not interrupted.
        """
        self._log.settle()
        plan, known = self.experiment.plan, self.metrics.evaluated(self.step)
        if known and self.step < plan.steps:
            return 0
        if self.learns_from_evaluation:
            self._test()
        elif number := self._stop.interrupts(self._test):
            return number
        numbers = self._log.test(self.step, self.tested)
        if processes.chief():
            self.place.push()
        if numbers.get("not_finite"):
            return 0  # not a valid error: ignore it for schedules and the best checkpoint
        if self._best and self._is_lowest(numbers["top1_error"]):
            self._best.save(self.step, self.state)
        if self._program.observe and not known and self.step % plan.eval_every == 0:
            self.state = self._program.observe(self.state, numbers["top1_error"])
        return 0

    def _is_lowest(self, error: float) -> bool:
        return all(
            error < line["top1_error"]
            for line in self.metrics.lines
            if line["split"] == "test" and line["step"] < self.step and not line.get("not_finite")
        )

    def _test(self) -> None:
        plan = self.experiment.plan
        if plan.statistics_batches:
            self.state = self._with_true_averages()

        def evaluate(batch):
            self._stop.watch.headway()
            return self._program.evaluate(self.state, batch)

        with contextlib.ExitStack() as perhaps_compiled:
            if self.tested is None:
                perhaps_compiled.enter_context(self._stop.watch.unknown())
            parts = evaluate, self.testing, plan.eval_batch_size, self._mesh
            self.tested = feed.over_examples(*parts)

    def _with_true_averages(self) -> State:
        """Return the state with norm statistics averaged over the next batches."""
        if self._true_at == self.step:
            return self.state
        self._true_at = self.step
        batches = range(self.step, self.step + self.experiment.plan.statistics_batches)
        found = recompute(
            functools.partial(self._program.statistics, self.state, self._feed.data),
            (self._feed.at(step, 1) for step in batches),
        )
        return self.state.replace(model_state={**self.state.model_state, "batch_stats": found})

    def save(self) -> None:
        """Write pending lines, then the state: a checkpoint is never ahead of its metrics."""
        self._log.settle()
        with self._stop.watch.unknown():
            self._save()
        self._stop.saved = self.step

    def _save(self) -> None:
        self.check_lock()
        if processes.chief():
            self.place.push()
        if self.experiment.averages:
            self.state = self._with_true_averages()
        self._checkpoints.save(self.step, self.state)

    def advance(self, count: int) -> None:
        """Make `count` steps in one call."""
        began = time.monotonic()
        cursor = self._feed.at(self.step, count)
        waited = time.monotonic() - began
        make = self._program.step if count == 1 else self._program.steps
        compiles = make not in self._called
        if compiles and self._called:
            self.save()  # a signal may end the compilation at once, so nothing may be unsaved
        with contextlib.ExitStack() as compilation:
            if compiles:
                compilation.enter_context(self._stop.at_once())
                compilation.enter_context(self._bar.compiling("the step"))
            self.state, made = make(self.state, self._feed.data, cursor)
        self._called.add(make)
        self._log.made(self.step, count, made, waited)
        self.step += count

    def summary(self) -> dict:
        """Return the summary of a finished run."""
        experiment = self.experiment
        return {
            "model": experiment.model,
            "dataset": experiment.train.name,
            "image_size": experiment.size,
            "adapter": experiment.adapter,
            "parameters": self._parameters(),
            "steps": experiment.plan.steps,
            "seed": experiment.plan.seed,
            "test": {
                **self._log.test(self.step, self.tested),
                "loss_is": experiment.loss_name,
                "protocol": PROTOCOL,
            },
            "skipped_images": len(self._skipped),
            "skipped_steps": int(self.state.skipped),
            **self._log.totals(),
            **_made_with(),
            "parts": self._parts,
            **({"photos": stream.made_by()} if examples.streamed(experiment.train) else {}),
        }


def _made_with() -> dict:
    return {"versions": record.versions(), "devices": record.devices()}
