"""The training loop, with all side effects."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator

import ml_collections

from cnn_history import build, loading, papers
from cnn_history.datasets import identity
from cnn_history.datasets.identity import Identity
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import TooManySkipped
from cnn_history.errors import Ending, UserError
from cnn_history.experiment import Experiment
from cnn_history.files import bucket, checkpoint, private, record, shipped, workdir
from cnn_history.files.checkpoint import Damaged, NotSaved, OtherStructure
from cnn_history.reporting import figures
from cnn_history.training import processes
from cnn_history.training.session import Session
from cnn_history.training.signals import Asked, Stop, StopRequest


class Broken(Ending):
    """An outside fault, such as a full disk, ended the run; the last checkpoint remains."""


def run(config: ml_collections.ConfigDict, folder: bucket.Folder) -> dict:
    """Train to `config.steps` in the work directory `folder`, resuming if it holds a checkpoint.

    Returns the summary. Raises UserError for wrong input, before anything is compiled, and if an
    image cannot be read, or more than `config.skipped_images` are damaged; NonFinite if a loss or
    gradient was not finite; Stop after a signal; Broken if the work directory cannot be written to
    any more.
    """
    with bucket.place(folder, writes=processes.chief()) as place, StopRequest() as stop:
        try:
            return _run(config, place, stop)
        except Asked as asked:
            raise Stop(asked.number, "nothing is unsaved") from None
        except (TooManySkipped, Unreadable, Damaged, OtherStructure) as error:
            raise UserError(error) from error
        except (OSError, NotSaved) as error:
            raise Broken(1, f"the run in '{folder}' broke off: {error}") from error


def _run(config: ml_collections.ConfigDict, place: bucket.Place, stop: StopRequest) -> dict:
    with contextlib.ExitStack() as locked, contextlib.ExitStack() as opened:
        with stop.at_once(together=True):  # no process has anything to save
            if done := _finished(config, place):
                return done
            experiment = build.experiment(config)
            start = _start(experiment)
            check_lock = locked.enter_context(_lock(place))
            data = _data(experiment, place)
            before = _steps_before(place)
            kept = workdir.config_json(config)
            run = Session(experiment, kept, data, place, check_lock, stop, opened, start)
            if before and run.step and processes.chief():
                _say_stretched(config, before, run.step)
        _train(run, stop)
        with stop.at_once():
            opened.close()
            return _end(run, papers.reported(config))


def _train(run: Session, stop: StopRequest) -> None:
    """Train up to the last step, then evaluate and save it; raise Stop on a signal."""
    while True:
        event, asked = run.event(), stop.agreed()
        if event.evaluate and (run.learns_from_evaluation or not asked):
            asked = run.evaluate() or asked
        if event.save or asked:
            run.save()
        if asked:
            processes.everywhere("saved")
            raise Stop(asked, f"step {run.step:,} is saved")
        if event.last:
            return
        run.advance(event.count)


def _finished(config: ml_collections.ConfigDict, place: bucket.Place) -> dict | None:
    """Return the summary of a run that has nothing left to do; check config and folder.

    A run that was killed while it drew its figures draws them again, from its last checkpoint.
    """
    build.check(config)
    workdir.check_links(place.files)
    workdir.check_same(config, place.files)
    done = workdir.read_summary(place.files)
    if not done or done["steps"] != config.steps:
        return None
    drawn = (place.folder / figures.FOLDER / figures.LAST).exists()
    if not drawn and checkpoint.saved(place.folder, config.steps):
        return None
    print(f"the run in {place.folder} is finished; nothing is left to do.", file=sys.stderr)
    return done


def _data(experiment: Experiment, place: bucket.Place) -> dict[str, Identity]:
    """Return the data's identity; raise UserError if it is not the run's, or processes differ."""
    data = {"training": identity.of(experiment.train), "test": identity.of(experiment.test)}
    processes.agree_on_data(data)
    workdir.check_same_data(place.files, data)
    return data


def _start(experiment: Experiment) -> Callable | None:
    """Return (variables, data) -> (initial variables, description); None to draw them at random."""
    if not experiment.init_from:
        return None
    workdir.check_run(shipped.folder(experiment.init_from))
    return functools.partial(
        loading.start_from,
        experiment.init_from,
        train=experiment.train,
        classifier=experiment.network.classifier,
        layers=experiment.init_layers,
        scaling=experiment.scaling,
    )


def _steps_before(place: bucket.Place) -> int | None:
    """Return `steps` of the config that the run had before; None for a new run."""
    if not (place.files / workdir.CONFIG).exists():
        return None
    return workdir.read_config(place.files).steps


def _say_stretched(config: ml_collections.ConfigDict, before: int, step: int) -> None:
    """Print how the learning rate continues if a new number of steps changes it."""
    earlier = config.copy_and_resolve_references()
    earlier.steps = before
    then, now = build.schedule(earlier), build.schedule(config)
    if not callable(now) or then(step) == now(step):
        return
    print(
        f"config.steps was {before:,} and is {config.steps:,}, over which the schedule "
        f"{config.schedule.name} is stretched: the learning rate of step {step - 1:,} was "
        f"{then(step - 1):.4g}, and that of step {step:,} is {now(step):.4g}.",
        file=sys.stderr,
    )


@contextlib.contextmanager
def _lock(place: bucket.Place) -> Iterator[Callable[[], None]]:
    """Lock the work directory, created if missing; yield a check that it is still the same."""
    with contextlib.ExitStack() as stack:
        try:
            private.make(place.files)
            check = stack.enter_context(record.lock(place.files, writes=processes.chief()))
        except (OSError, record.InUse) as error:
            raise UserError(f"--workdir: {error}") from error
        yield check


def _end(run: Session, paper: papers.Published | None) -> dict:
    """Return the summary, and write it before drawing any figure."""
    summary = run.summary()
    if processes.chief():
        run.check_lock()
        run.place.remove(f"{figures.FOLDER}/{figures.LAST}")  # of a shorter run
        record.write_json(run.place.files / workdir.SUMMARY, summary)
        run.place.push()
        figures.run(
            run.place.files / figures.FOLDER,
            run.metrics.lines,
            title=f"{run.experiment.model} on {run.experiment.train.name}",
            paper=paper,
            images=run.testing,
            labels=run.tested["label"],
            probabilities=run.tested["probabilities"],
            ids=run.tested["ids"],
            classes=run.experiment.test.classes,
            params=run.state.params,
        )
    return summary
