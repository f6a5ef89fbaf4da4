"""The suite `input`: images per second, from memory or streamed from photos."""

import functools
import gc
import itertools
import pathlib
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import jax

from cnn_history import build, datasets
from cnn_history.benchmarks import ours, rounds
from cnn_history.benchmarks.cases import Case
from cnn_history.benchmarks.suite import Effort, Suite
from cnn_history.datasets import crops, stream
from cnn_history.datasets.order import Order
from cnn_history.training import keys, program

WARM_UP = 2  # untimed batches of a turn, in which workers start and functions compile
FEWEST = 4  # timed batches of a turn, at least
SIZE, PHOTO_BATCH = 224, 32
# 8 to 100 % of the area with an aspect ratio of 3/4 to 4/3, and mirroring (GoogLeNet's crops).
CROP = functools.partial(crops.random_area, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3))
COPIES = 60  # links to each of scikit-learn's two photos

OURS, THEIRS = "cnn_history", "torch DataLoader, Pillow"
Loader = Callable[[int], Iterator]  # number of batches -> the batches
IN_MEMORY, PHOTOS = "memory", "photos"


def measure(names: set[str], effort: Effort, ceilings: dict) -> Iterator[dict]:
    """Yield a row for each loader; loaders of the same images take turns.

    `memory` is a data set of CIFAR-10's size, padded, cropped at random, mirrored and scaled.
    `photos` are JPEG files, decoded, cropped at random, resized to 224x224 and mirrored.
    """
    for name in (IN_MEMORY, PHOTOS):
        if name in names:
            yield from _rows(name, effort)


def _rows(name: str, effort: Effort) -> Iterator[dict]:
    batch, loaders = _loaders(name, effort)
    counts, found = {}, {loader: [] for loader in loaders}
    for loader, make in loaders.items():
        rate, _ = turn(make(WARM_UP + FEWEST))
        counts[loader] = max(FEWEST, round(effort.seconds * rate / batch))
    for _ in range(effort.rounds):
        for loader, make in loaders.items():
            found[loader].append(turn(make(WARM_UP + counts[loader])))
    for loader, turns in found.items():
        row = {
            "network": "",
            "mode": "input",
            "what": name,
            "loader": loader,
            "batch": batch,
            "images_per_second": statistics.median(rate for rate, _ in turns),
            "processor_ms_per_image": statistics.median(cost for _, cost in turns),
        }
        if loader != OURS:
            seconds = {n: [1 / rate for rate, _ in found[n]] for n in (OURS, loader)}
            row["ratio"] = rounds.ratio(seconds[OURS], seconds[loader])
        yield row


def _loaders(name: str, effort: Effort) -> tuple[int, dict[str, Loader]]:
    """Return the batch size, and the loaders by name."""
    if effort.torch:
        from cnn_history.benchmarks import torch_loaders  # an extra
    if name == IN_MEMORY:
        case = Case("resnet20", "train", 128, data="resident")
        loaders = {OURS: in_memory(case)}
        if effort.torch:
            loaders[THEIRS] = torch_loaders.in_memory(ours.at_random(case)[0], case.batch)
        return case.batch, loaders
    photos = photo_source(effort.photos)
    loaders = {OURS: functools.partial(streamed, photos)}
    if effort.torch:
        loaders[THEIRS] = functools.partial(torch_loaders.photos, photos, CROP, SIZE, PHOTO_BATCH)
    return PHOTO_BATCH, loaders


def turn(batches: Iterator) -> tuple[float, float]:
    """Return images/s after the warm-up, and processor milliseconds per image.

    Processor time includes the start of workers, and is independent of other load.
    """
    used = processor_seconds()
    first = sum(len(next(batches)) for _ in range(WARM_UP))
    began, count = time.perf_counter(), 0
    for images in batches:
        count += len(images)
    seconds = time.perf_counter() - began
    del batches
    gc.collect()  # ends the workers
    used = processor_seconds() - used
    return count / seconds, 1000 * used / (count + first)


def processor_seconds() -> float:
    """Return the processor time of this process and its ended workers, in seconds."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def in_memory(case: Case) -> Loader:
    """Return a loader of batches of a resident data set, augmented on the device."""
    config, source = ours.cifar10(case), ours.noise(case)
    _, feed, images = ours.parts(build.experiment(config, data=(source, source)))
    key = keys.keys(config.seed)

    @jax.jit
    def batch(data, cursor):
        return program.batch(feed.take(data, cursor), cursor, images, key)

    def load(count: int) -> Iterator:
        for step in range(count):
            yield jax.block_until_ready(batch(feed.data, feed.at(step, 1)))["image"]

    return load


def streamed(photos: datasets.Source, count: int, threads: int | None = None) -> Iterator:
    """Yield batches of photos from the stream that training uses."""

    def fail(name, why):
        raise ValueError(f"{name}: {why}")

    order = Order(jax.random.key(0), len(photos))
    size, rows = PHOTO_BATCH, range(PHOTO_BATCH)
    batches = stream.training(photos, order, CROP, SIZE, 0, size, rows, 0, count, fail, threads)
    yield from (batch["image"] for batch in batches)


def photo_source(folder: pathlib.Path | None) -> datasets.Source:
    """Return a source, with one class, of a folder's JPEG files or of scikit-learn's two."""
    root = pathlib.Path(tempfile.mkdtemp())
    there = root / "train" / "photo"
    if folder is not None:
        there.parent.mkdir()
        there.symlink_to(folder.absolute())
    else:
        import sklearn.datasets  # 1 s

        there.mkdir(parents=True)
        images = pathlib.Path(sklearn.datasets.__file__).parent / "images"
        for i, file in itertools.product(range(COPIES), images.glob("*.jpg")):
            (there / f"{i}_{file.name}").symlink_to(file)
    return datasets.source("folder", "train", str(root))


SUITE = Suite((IN_MEMORY, PHOTOS), measure)
