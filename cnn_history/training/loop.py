"""The training loop: the home of side effects."""

import contextlib
import functools
import sys
import time
from collections.abc import Callable

import flax.linen as nn
import ml_collections

from cnn_history import build, papers
from cnn_history.datasets import Source, examples
from cnn_history.datasets.images import Unreadable
from cnn_history.datasets.skipped import Skipped, TooManySkipped
from cnn_history.errors import UserError
from cnn_history.files import bucket, private, record, workdir
from cnn_history.files.checkpoint import Checkpoints, Damaged, NotSaved
from cnn_history.reporting import figures
from cnn_history.training import (
    beginning,
    devices,
    feed,
    finite,
    outcome,
    processes,
    program,
    setting,
)
from cnn_history.training.log import Log
from cnn_history.training.progress import ProgressBar
from cnn_history.training.signals import Asked, Stop, StopRequest
from cnn_history.training.state import State
from cnn_history.training.statistics import recompute


class Broken(Exception):
    """Something outside broke the run off, such as a full disk; the last checkpoint stands."""


def run(config: ml_collections.ConfigDict, folder: bucket.Folder) -> dict:
    """Train to `config.steps` in the work directory `folder`, resuming if it holds a checkpoint.

    Returns the summary. Raises UserError for wrong input, before anything is compiled; NonFinite
    where a loss or gradient was not finite; Stop after a signal; Broken where the work directory
    cannot be written to any more; UserError, too, where an image cannot be read, or more than
    `config.skipped_images` turn out damaged.
    """
    build.check(config)
    with bucket.place(folder, writes=processes.chief()) as place, StopRequest() as stop:
        try:
            with stop.at_once():
                return _run(config, place, stop)
        except Asked as asked:
            raise Stop(asked.number, "nothing is unsaved") from None
        except (TooManySkipped, Unreadable, Damaged) as error:
            raise UserError(error) from error
        except (OSError, NotSaved) as error:
            raise Broken(f"the run in '{folder}' broke off: {error}") from error


def _run(config: ml_collections.ConfigDict, place: bucket.Place, stop: StopRequest) -> dict:
    folder = place.files
    workdir.check_links(folder)
    workdir.check_same(config, folder)
    done = outcome.read(folder)
    if done and done["steps"] == config.steps:
        print(f"{place.folder} holds this run, finished; nothing is left to do.", file=sys.stderr)
        return done
    network, train, test = beginning.parts(config)
    if config.init_from:
        workdir.check_run(bucket.path(config.init_from))
    with contextlib.ExitStack() as stack:
        try:
            private.make(folder)
            check_lock = stack.enter_context(record.lock(folder, writes=processes.chief()))
        except (OSError, record.InUse) as error:
            raise UserError(f"--workdir: {error}") from error
        return _train(config, place, network, train, test, stop, check_lock)


def _train(
    config: ml_collections.ConfigDict,
    place: bucket.Place,
    network: nn.Module,
    train: Source,
    test: Source,
    stop: StopRequest,
    check_lock: Callable[[], None],
) -> dict:
    mesh, chief, folder = devices.mesh(), processes.chief(), place.files
    skip = Skipped(config.skipped_images, functools.partial(print, file=sys.stderr, flush=True))
    sizes = config.image_size, config.adapter
    statistics = functools.partial(
        workdir.statistics, folder, lambda: examples.measure(train, *sizes, skip), writes=chief
    )
    compiled, training, preprocessing, _ = setting.make(
        config, network, train, statistics, skip, mesh
    )
    testing = examples.examples(test, *sizes, skip)

    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(training))
        checkpoints = stack.enter_context(Checkpoints(place.folder, config.keep_checkpoints))
        state = beginning.first_state(config, compiled, checkpoints, len(train.classes), mesh)
        step = int(state.step)
        if chief:
            record.write_json(folder / workdir.CONFIG, record.config_json(config))
            workdir.save_inputs(folder, preprocessing, train)
        # Killed before its first checkpoint, a run begins anew: no schedule has seen a line.
        seen = -1 if checkpoints.latest() is None else step
        metrics = stack.enter_context(record.Metrics(folder, seen, writes=chief))
        bar = stack.enter_context(ProgressBar(step, config.steps, quiet=not chief))
        bar.say(beginning.headline(config, state, train, test, step))
        quantities = finite.quantities(state.params, state.model_state)
        log = Log(metrics, bar, config, quantities, training.examples)

        def save():
            log.settle()
            check_lock()
            if chief:
                place.push()  # first, so that no checkpoint is ahead of its lines
            checkpoints.save(step, state)

        # An evaluation that changes the state is finished first: what is saved has seen it, or not.
        changing = config.statistics_batches or config.schedule.name == "plateau"
        interrupted = stop.later if changing else stop.at_once
        used = set()  # of the programs that make steps: the first call compiles
        stack.enter_context(stop.later())
        while True:
            last, asked = step == config.steps, stop.agreed()
            if (last or step % config.eval_every == 0) and (changing or not asked):
                log.settle()
                new = not metrics.evaluated(step)
                if last or new:
                    try:
                        with interrupted():
                            if config.statistics_batches:
                                state = _with_true_averages(state, compiled, training, config)
                            evaluate = functools.partial(compiled.evaluate, state)
                            made = feed.over_examples(
                                evaluate, testing, config.eval_batch_size, mesh
                            )
                    except Asked as request:
                        asked = request.number
                    else:
                        error = log.test(step, made)
                        if chief:
                            place.push()
                        if new and step % config.eval_every == 0:  # a last step is no such step
                            state = compiled.observe(state, error)
            if last or asked or (step and step % config.checkpoint_every == 0):
                save()
            if asked:
                raise Stop(asked, f"step {step:,} is saved")
            if last:
                break
            count = _steps_to_make(step, training.stride, config)
            began = time.monotonic()
            cursor = training.at(step, count)
            waited = time.monotonic() - began
            advance = compiled.step if count == 1 else compiled.steps
            if advance in used:
                state, made = advance(state, training.data, cursor)
            else:
                if used:  # so that a signal finds nothing unsaved
                    save()
                with stop.at_once():
                    state, made = advance(state, training.data, cursor)
                used.add(advance)
            log.made(step, count, made, waited)
            step += count

    summary = outcome.summary(config, state, train, made, len(skip), log.totals())
    if chief:
        figures.run(
            folder / "figures",
            metrics.lines,
            title=f"{config.model.name} on {train.name}",
            paper=papers.reported(config),
            images=testing,
            labels=made["label"],
            probabilities=made["probabilities"],
            classes=test.classes,
            params=state.params,
        )
        check_lock()
        record.write_json(folder / workdir.SUMMARY, summary)
    return summary


def _with_true_averages(
    state: State,
    compiled: program.Program,
    training: feed.Feed,
    config: ml_collections.ConfigDict,
) -> State:
    """Return the state with its norms' statistics of the batches that come next."""
    step = int(state.step)
    cursors = (training.at(step + i, 1) for i in range(config.statistics_batches))
    statistics = recompute(functools.partial(compiled.statistics, state, training.data), cursors)
    return state.replace(model_state={**state.model_state, "batch_stats": statistics})


def _steps_to_make(step: int, stride: int, config: ml_collections.ConfigDict) -> int:
    """Return `stride` where that passes over no event, else 1: two compiled programs suffice."""
    every = (config.eval_every, config.checkpoint_every)
    until = min(config.steps - step, *(n - step % n for n in every))
    return stride if step % stride == 0 and until >= stride else 1
