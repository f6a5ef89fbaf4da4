"""Predictions of a run, or of an ensemble of runs, for a data set."""

import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import datasets, evaluation, layers, loading, models
from cnn_history.cpu import compiler
from cnn_history.datasets import adapters, examples, identity, images, prepare, stream
from cnn_history.errors import UserError, blame
from cnn_history.evaluation import canvas
from cnn_history.files import record, workdir
from cnn_history.lookup import lookup
from cnn_history.models.network import Classifier
from cnn_history.training import devices, feed, processes, progress

PROGRAMS = 16  # kept at a time; at least one per scale, because views come scale by scale
SHAPES = 1024  # shapes of views whose extent on a canvas is remembered
# Thinnest photos for dense evaluation; at 1 to 32, a scale of 512 would take 2.5 GB.
THINNEST = 8


class Measure(NamedTuple):
    """A protocol of evaluation, with its options.

    Attributes:
      protocol: a name in `evaluation.PROTOCOLS`.
      scale: shorter side of the images from which views are cut. None: 8/7 of the network's size;
        for a single crop, the run's own test images.
      scales: scales of a protocol with several; None for its paper's.
      softmax_first: whether to apply softmax at each position, then average over positions.
    """

    protocol: str = "single_crop"
    scale: int | None = None
    scales: tuple[int, ...] | None = None
    softmax_first: bool = False


class Predictions(NamedTuple):
    """Mean probabilities [n, classes], labels and indices of the decodable examples."""

    probabilities: np.ndarray
    labels: np.ndarray
    ids: np.ndarray


def matched(folders: Sequence[pathlib.Path], source: datasets.Source, own: bool) -> datasets.Source:
    """Return the examples with the members' labels, and compare the members' data.

    Harmless differences are reported, since classes are matched by name.

    Args:
      folders: work directories of the members.
      source: the examples.
      own: whether the examples must be those of the first member's own tests.

    Raises:
      UserError: the classes cannot be matched, or the examples have changed.
    """
    unnamed = [workdir.unnamed(folder) for folder in folders]
    namesake = folders[unnamed.index(False)] if False in unnamed else folders[0]
    classes = workdir.load_inputs(namesake)[2]
    with blame(f"--workdir={namesake}"):
        found = identity.matched(source, classes, all(unnamed))
    if all(unnamed) and found.classes != classes:
        _say(f"the classes of {source.name} are matched to the network's classes by number")
    first, *others = [workdir.read_data(folder) for folder in folders]
    same = first and (first["test"].name, first["test"].split) == (found.name, found.split)
    if same and (differences := identity.differences(first["test"], identity.of(found))):
        said = f"the test images of '{folders[0]}' have changed: {differences}"
        if own:
            raise UserError(
                f"--workdir: {said}. Restore them, or measure the error on the new images by "
                f"--dataset={found.name} --split={found.split}."
            )
        _say(said)
    for folder, data in zip(folders[1:], others, strict=True):
        both = first and data and (first["training"], data["training"])
        if both and (differences := identity.differences(*both)):
            _say(f"'{folder}' was trained on other images than '{folders[0]}': {differences}")
    return found


def _say(line: str) -> None:
    if processes.chief():
        print(f"{line}.", file=sys.stderr)


def predictions(
    folders: Sequence[pathlib.Path],
    source: datasets.Source,
    measure: Measure,
    batch_size: int,
    skip: stream.Skip,
    mesh: jax.sharding.Mesh,
    best: bool = False,
) -> Predictions:
    """Return the mean of the members' probabilities.

    Args:
      folders: work directories of the members.
      source: the examples, with the classes that all members know, in any order.
      measure: the protocol.
      batch_size: images per batch; rounded up to a multiple of the number of devices.
      skip: called for images that cannot be decoded, which are left out.
      mesh: mesh of the devices.
      best: whether to use the checkpoints with the lowest error.

    Raises:
      UserError: the measure contradicts itself, or does not fit a member and the examples.
      TooManySkipped, Unreadable: images cannot be decoded.
    """
    check(measure)
    members = [member(folder, source, measure, skip, mesh, best) for folder in folders]
    networks = ", ".join(workdir.read_config(folder).model.name for folder in folders)
    what = f"{len(source):,} images of {source.name}"
    _say(f"{networks} on {what}, by {measure.protocol}; {record.devices()}")
    made = []
    for predict, chosen in members:
        timed = progress.estimating(predict, _examples_of, len(source), _say)
        if chosen:
            made.append(feed.over_examples(timed, chosen, batch_size, mesh))
        else:
            check_aspect = functools.partial(_check_aspect, measure)
            made.append(feed.one_by_one(timed, source, skip, check_aspect))
    mean = np.mean([one["probabilities"] for one in made], axis=0)
    return Predictions(mean, made[0]["label"], made[0]["ids"])


def _examples_of(batch: dict) -> int:
    return len(batch["label"])


def member(
    folder: pathlib.Path,
    source: datasets.Source,
    measure: Measure,
    skip: stream.Skip,
    mesh: jax.sharding.Mesh,
    best: bool = False,
) -> tuple[Callable[[dict], dict], examples.Examples | None]:
    """Return (batch -> `probabilities` and `label`, examples) of one work directory.

    The examples are None if the protocol takes whole photos of varying sizes, one at a time.
    Arguments and errors are those of `predictions`. Nothing is compiled.
    """
    model, variables, scaling = loading.load(folder, best)
    _, channels, classes = workdir.load_inputs(folder)
    _check_fits(folder, channels, classes, source)
    own = np.arange(len(classes))  # index of each class of the source in the member
    if classes != source.classes:
        with blame(f"--workdir={folder}"):
            own = np.array(identity.places(source, classes, workdir.unnamed(folder)))
    everywhere = devices.replicated(mesh)
    scores = models.scores_by_position if measure.softmax_first else _scores

    def probabilities(variables, view):
        made = jax.nn.softmax(scores(model, variables, scaling.values(view)))
        return evaluation.over_positions(made)

    cuts = examples.streamed(source)
    shown = _shown(measure, scaling, cuts)

    chosen, one = None, (scaling.size, scaling.size, channels)  # photos of any size are scaled
    start = shown.start
    if not (cuts and shown.whole):
        with blame("--dataset"):
            chosen = examples.examples(source, *shown.streamed, skip)
        one = chosen.shape
        start = jax.jit(start)

    def evaluated(probabilities, images):
        return shown.protocol(probabilities, start(images), size=scaling.size)

    with blame("--protocol"):  # checks that views fit, without the network
        _check_aspect(measure, *one[:2])
        shape = jax.ShapeDtypeStruct((1, *one), jnp.uint8)
        jax.eval_shape(functools.partial(evaluated, lambda view: view[:, 0, 0]), shape)
    variables = devices.put(variables, everywhere)

    if chosen is None:
        exact, whole = _by_shape(probabilities, variables, mesh), np.asarray
        ask = exact
        if isinstance(model, Classifier):

            def positions(variables, view):
                return models.scores_by_position(model, variables, scaling.values(view))

            ask = _on_canvases(positions, measure.softmax_first, exact, variables, mesh)
    else:
        # Some of the labels are on devices of other processes.
        whole = jax.jit(lambda labels: labels, out_shardings=everywhere)
        options = compiler.options(devices.platform(mesh), training=False)
        compiled = jax.jit(probabilities, out_shardings=everywhere, compiler_options=options)
        ask = functools.partial(compiled, variables)

    def predict(batch):
        made = evaluated(ask, batch["image"])
        return {"probabilities": made[:, own], "label": whole(batch["label"])}

    return predict, chosen


def _check_aspect(measure: Measure, h: int, w: int) -> None:
    """Raise Damaged if an image is too thin for the memory that dense evaluation would need."""
    if evaluation.PROTOCOLS[measure.protocol].by_position:
        why = f", the limit of {measure.protocol}; use crops150 for thinner images"
        images.check_aspect(h, w, THINNEST, why)


def _by_shape(probabilities: Callable, variables: dict, mesh: jax.sharding.Mesh) -> Callable:
    """Return a function of NumPy views, compiled for each shape; old programs are dropped.

    Each program runs few times, so it uses plain layers and XLA's default options, which compile
    faster.
    """
    everywhere = devices.replicated(mesh)
    compiled = jax.jit(probabilities, out_shardings=everywhere)

    @functools.lru_cache(PROGRAMS)
    def program(shape, dtype):
        view = jax.ShapeDtypeStruct(shape, dtype, sharding=everywhere)
        with layers.as_written():
            made = compiled.lower(variables, view).compile()
        compiled.clear_cache()  # traces, which take 2 MB per shape
        return made

    def ask(view):
        return program(view.shape, view.dtype)(variables, devices.put(view, everywhere))

    return ask


def _on_canvases(
    positions: Callable,
    softmax_first: bool,
    exact: Callable,
    variables: dict,
    mesh: jax.sharding.Mesh,
) -> Callable:
    """Return the function `exact` with a program for each canvas instead of each shape.

    `exact` itself serves squares, and shapes for which a canvas does not work.

    Args:
      positions: (variables, view) -> scores by position.
      softmax_first: as in Measure.
      exact: view -> probabilities.
      variables: on the devices.
      mesh: of the devices.
    """
    everywhere = devices.replicated(mesh)

    def traced(shape, dtype):
        with layers.as_written():  # a separate function, so that JAX caches nothing
            image = jax.ShapeDtypeStruct(shape, dtype)
            return jax.make_jaxpr(lambda *given: positions(*given))(variables, image)

    @functools.lru_cache(PROGRAMS)
    def program(shape, dtype):
        whole = traced(shape, dtype)

        def probabilities(variables, view, reaches):
            made = canvas.evaluated(whole, reaches, *jax.tree.leaves((variables, view)))
            if softmax_first:
                return canvas.mean(jax.nn.softmax(made), reaches[-1])
            return jax.nn.softmax(canvas.mean(made, reaches[-1]))

        return whole, jax.jit(probabilities, out_shardings=everywhere)

    @functools.lru_cache(SHAPES)
    def reaches(shape, dtype):
        large = canvas.shape(shape)
        whole, _ = program(large, dtype)
        try:
            return canvas.reach(whole if large == shape else traced(shape, dtype), whole)
        except canvas.Unlike:
            return None

    def ask(view):
        h, w = view.shape[1:3]
        if h == w or (own := reaches(view.shape, view.dtype)) is None:
            return exact(view)
        large = canvas.shape(view.shape)
        behind = [(0, new - old) for old, new in zip(view.shape, large, strict=True)]
        _, compiled = program(large, view.dtype)
        return compiled(variables, devices.put(np.pad(view, behind), everywhere), own)

    return ask


class _Shown(NamedTuple):
    """The inputs of a protocol from a data set.

    Attributes:
      protocol: (probabilities, images, size=) -> probabilities.
      start: uint8 [n, h, w, c] -> the images in [0, 1] from which views are cut.
      whole: whether the protocol takes whole photos.
      streamed: size and adapter of photos that a loader crops, if it does not.
    """

    protocol: Callable
    start: Callable
    whole: bool
    streamed: tuple[int, str]


def _shown(measure: Measure, scaling: prepare.Preprocessing, cuts: bool) -> _Shown:
    """Return the inputs of a protocol; `cuts`: a loader brings photos to the network's size."""
    protocol = evaluation.PROTOCOLS[measure.protocol]
    scale, run = measure.scale or adapters.with_margin(scaling.size), protocol.run
    streamed = scale, "square"
    if measure.scales:
        run = functools.partial(run, scales=measure.scales)
    if "scales" in protocol.options:
        start = adapters.unit
    elif protocol.sees is evaluation.Sees.WHOLE:

        def start(images):
            return evaluation.at_scale(adapters.unit(images), scale)

    elif protocol.sees is evaluation.Sees.NETWORK and measure.scale is None:
        streamed = scaling.size, scaling.adapter
        start = (scaling.after_a_loader() if cuts else scaling).unit
    else:
        start = functools.partial(adapters.unit_range, size=scale, adapter="square")

    return _Shown(run, start, protocol.sees is evaluation.Sees.WHOLE, streamed)


def check(measure: Measure) -> None:
    """Raise UserError if options do not fit the protocol."""
    name = measure.protocol
    with blame("--protocol"):
        protocol = lookup(evaluation.PROTOCOLS, name, "protocol")
    if measure.scale is not None and "scales" in protocol.options:
        raise UserError(f"--scale: {name} has several scales; set them by --scales=256,...")
    if measure.softmax_first and not protocol.by_position:
        raise UserError(f"--softmax_first: {name} has no positions; use dense.")
    if measure.scales is not None and "scales" not in protocol.options:
        raise UserError(f"--scales: {name} has one scale; set it by --scale=256.")


def _check_fits(
    folder: pathlib.Path, channels: int, classes: Sequence[str], source: datasets.Source
) -> None:
    if len(classes) != len(source.classes):
        raise UserError(
            f"--workdir: '{folder}' has {len(classes)} classes, but {source.name} has "
            f"{len(source.classes)}."
        )
    if channels != source.shape[-1]:
        raise UserError(
            f"--workdir: '{folder}' takes images of {channels} channels, but those of "
            f"{source.name} have {source.shape[-1]}."
        )


def _scores(model, variables: dict, images: jax.Array) -> jax.Array:
    return model.apply(variables, images, train=False)
