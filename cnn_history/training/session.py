"""A run from its first step to its last: its state, and what is done with it."""

import contextlib
import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from cnn_history import evaluation
from cnn_history.datasets import examples
from cnn_history.datasets.skipped import Skipped
from cnn_history.errors import UserError
from cnn_history.experiment import Experiment
from cnn_history.files import bucket, record, workdir
from cnn_history.files.checkpoint import Checkpoints
from cnn_history.training import devices, events, feed, finite, processes, program
from cnn_history.training.log import Log
from cnn_history.training.progress import ProgressBar
from cnn_history.training.signals import StopRequest
from cnn_history.training.state import State
from cnn_history.training.statistics import recompute

PROTOCOL = "single_crop"  # how a run measures its own test error


@dataclasses.dataclass
class Session:
    """An opened run.

    Attributes:
      experiment: what the run is made of.
      program: its compiled functions.
      training: feeds the steps.
      testing: the examples that are evaluated.
      place: its files.
      checkpoints: its saved states.
      metrics: its lines.
      log: makes lines of what steps return.
      skipped: counts the images that cannot be decoded.
      mesh: of the devices.
      stop: notes signals.
      check_lock: raises FileNotFoundError once the work directory is another.
      state: the newest.
      step: number of steps that have been made.
      tested: what the newest evaluation found, by example.
    """

    experiment: Experiment
    program: program.Program
    training: feed.Feed
    testing: examples.Examples
    place: bucket.Place
    checkpoints: Checkpoints
    metrics: record.Metrics
    log: Log
    skipped: Skipped
    mesh: jax.sharding.Mesh
    stop: StopRequest
    check_lock: Callable[[], None]
    state: State
    step: int
    tested: dict[str, np.ndarray] | None = None
    _called: set[Callable] = dataclasses.field(default_factory=set)  # the first call compiles

    def event(self) -> events.Event:
        """Return what happens at this step."""
        plan = self.experiment.plan
        return events.at(
            self.step,
            steps=plan.steps,
            eval_every=plan.eval_every,
            checkpoint_every=plan.checkpoint_every,
            stride=self.training.stride,
        )

    @property
    def learns_from_evaluation(self) -> bool:
        """Whether an evaluation changes the state; what is saved has then seen it, or not."""
        return bool(self.experiment.plan.statistics_batches) or self.program.observe is not None

    def evaluate(self) -> int:
        """Measure the test error, unless it was measured at this step; at the last step, always.

        Returns the number of a signal that broke it off, else 0. An evaluation that changes the
        state is finished first.
        """
        self.log.settle()
        plan, known = self.experiment.plan, self.metrics.evaluated(self.step)
        if known and self.step < plan.steps:
            return 0
        if self.learns_from_evaluation:
            self._test()
        elif number := self.stop.interrupts(self._test):
            return number
        error = self.log.test(self.step, self.tested)
        if processes.chief():
            self.place.push()
        if self.program.observe and not known and self.step % plan.eval_every == 0:
            self.state = self.program.observe(self.state, error)
        return 0

    def _test(self) -> None:
        plan = self.experiment.plan
        if plan.statistics_batches:
            self.state = self._with_true_averages()
        evaluate = functools.partial(self.program.evaluate, self.state)
        self.tested = feed.over_examples(evaluate, self.testing, plan.eval_batch_size, self.mesh)

    def _with_true_averages(self) -> State:
        """Return the state with its norms' statistics of the batches that come next."""
        batches = range(self.step, self.step + self.experiment.plan.statistics_batches)
        found = recompute(
            functools.partial(self.program.statistics, self.state, self.training.data),
            (self.training.at(step, 1) for step in batches),
        )
        return self.state.replace(model_state={**self.state.model_state, "batch_stats": found})

    def save(self) -> None:
        """Write the lines that are pending, then the state: no checkpoint is ahead of its lines."""
        self.log.settle()
        self.check_lock()
        if processes.chief():
            self.place.push()
        self.checkpoints.save(self.step, self.state)

    def advance(self, count: int) -> None:
        """Make so many steps by one call."""
        began = time.monotonic()
        cursor = self.training.at(self.step, count)
        waited = time.monotonic() - began
        make = self.program.step if count == 1 else self.program.steps
        compiles = make not in self._called
        if compiles and self._called:
            self.save()  # a signal ends a compilation at once, and finds nothing unsaved
        with self.stop.at_once() if compiles else contextlib.nullcontext():
            self.state, made = make(self.state, self.training.data, cursor)
        self._called.add(make)
        self.log.made(self.step, count, made, waited)
        self.step += count

    def summary(self) -> dict:
        """Return the summary of a finished run."""
        experiment = self.experiment
        return {
            "model": experiment.model,
            "dataset": experiment.train.name,
            "image_size": experiment.size,
            "adapter": experiment.adapter,
            "parameters": _parameters(self.state),
            "steps": experiment.plan.steps,
            "seed": experiment.plan.seed,
            "test": {
                **evaluation.errors(self.tested["probabilities"], self.tested["label"]),
                "protocol": PROTOCOL,
            },
            "skipped_images": len(self.skipped),
            "skipped_steps": int(self.state.skipped),
            **self.log.totals(),
            "versions": record.versions(),
            "devices": record.devices(),
        }


@contextlib.contextmanager
def opened(
    experiment: Experiment,
    kept: dict,
    place: bucket.Place,
    check_lock: Callable[[], None],
    stop: StopRequest,
    start: Callable | None = None,
) -> Iterator[Session]:
    """Give the session of a run, at its newest checkpoint or at its beginning.

    Raises UserError where the run is past its last step, or the network that it starts from does
    not fit; Damaged where no checkpoint is whole.

    Args:
      experiment: what the run is made of.
      kept: the config that it is made from, as the work directory keeps it.
      place: the work directory.
      check_lock: raises FileNotFoundError once that is another.
      stop: notes signals.
      start: fresh parameters -> those that a run begins with; None for the fresh ones.
    """
    chief, mesh, plan, folder = processes.chief(), devices.mesh(), experiment.plan, place.files
    skipped = Skipped(plan.skipped_images, functools.partial(print, file=sys.stderr, flush=True))
    sizes = experiment.size, experiment.adapter
    measure = functools.partial(examples.measure, experiment.train, *sizes, skipped)
    images = experiment.images(functools.partial(workdir.statistics, folder, measure, writes=chief))
    with contextlib.ExitStack() as stack:
        training = feed.feed(experiment, images, skipped, mesh)
        stack.enter_context(contextlib.closing(training))
        compiled = program.make(experiment, images, training, mesh)
        checkpoints = stack.enter_context(
            Checkpoints(place.folder, plan.keep_checkpoints, chief, processes.from_chief)
        )
        state = _first_state(compiled, checkpoints, plan.steps, start, mesh)
        step = int(state.step)
        if chief:
            record.write_json(folder / workdir.CONFIG, kept)
            workdir.save_inputs(folder, images.preprocessing, experiment.train)
        # Killed before its first checkpoint, a run begins anew: no schedule has seen a line.
        seen = -1 if checkpoints.latest() is None else step
        metrics = stack.enter_context(record.Metrics(folder, seen, writes=chief))
        bar = stack.enter_context(ProgressBar(step, plan.steps, quiet=not chief))
        bar.say(_headline(experiment, state, step))
        quantities = finite.quantities(state.params, state.model_state)
        yield Session(
            experiment=experiment,
            program=compiled,
            training=training,
            testing=examples.examples(experiment.test, *sizes, skipped),
            place=place,
            checkpoints=checkpoints,
            metrics=metrics,
            log=Log(metrics, bar, plan, experiment.train.split, quantities, training.examples),
            skipped=skipped,
            mesh=mesh,
            stop=stop,
            check_lock=check_lock,
            state=state,
            step=step,
        )


def _first_state(
    compiled: program.Program,
    checkpoints: Checkpoints,
    steps: int,
    start: Callable | None,
    mesh: jax.sharding.Mesh,
) -> State:
    """Return the newest checkpoint's state, or else a first one."""
    latest = checkpoints.latest()
    if latest is not None:
        if latest > steps:
            raise UserError(
                f"config.steps: the run has made {latest} steps already, more than {steps}."
            )
        return checkpoints.restore(compiled.abstract)
    state = compiled.init()
    if start is None:
        return state
    return state.replace(params=jax.device_put(start(state.params), devices.replicated(mesh)))


def _headline(experiment: Experiment, state: State, step: int) -> str:
    train, test = experiment.train, experiment.test
    images = f"{len(train):,} training and {len(test):,} test images of {train.name}"
    resumed = f"; resuming at step {step:,}" if step else ""
    network = f"{experiment.model}, {_parameters(state):,} parameters"
    return f"{network}, on {images}; {record.devices()}{resumed}"


def _parameters(state: State) -> int:
    return sum(p.size for p in jax.tree.leaves(state.params))
