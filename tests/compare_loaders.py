"""Compare the cost of loading photos with tf.data and PyTorch's loader with Pillow.

    EXTRAS=tf,torch ./launch.sh python -m tests.compare_loaders --photos=DIR --output=results

Every loader takes the same files in the same order, cuts the same crops (8-100 % of the area at an
aspect of 3/4-4/3), resizes them to 224x224 and mirrors the same ones. Only tf.data does so without
antialiasing, as in its usual recipe, and once with it. All decoders use the exact transform.
`a photo` is the work alone, in threads; `the stream` adds order, batches and reading ahead. Loaders
take turns, and ratios are of processor time within a turn, which ignores other processes.
`--threads=1` and `2` write `loaders_1.json` and `loaders_2.json`.
"""

import concurrent.futures
import functools
import gc
import io
import os
import pathlib
import statistics

import jax
import numpy as np
from absl import app, flags
from PIL import Image

from cnn_history.benchmarks import inputs, rounds
from cnn_history.benchmarks.inputs import CROP, SIZE
from cnn_history.benchmarks.inputs import PHOTO_BATCH as BATCH
from cnn_history.datasets import crops, images, resizing, stream
from cnn_history.datasets.order import Order
from cnn_history.files import record

PHOTOS = flags.DEFINE_string("photos", None, "Folder of JPEG files, of natural sizes.")
OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each loader.")
BATCHES = flags.DEFINE_integer("batches", 12, "Of a turn; the first two are not timed.")
THREADS = flags.DEFINE_integer("threads", 2, "Or worker processes, of each loader.")
flags.mark_flag_as_required("photos")

PHOTO, STREAM = "a photo", "the stream"
OURS = "cnn_history"


class Parts:
    """The file and the part of it that each position takes; picklable, for worker processes."""

    def __init__(self, photos, count):
        order = Order(jax.random.key(0), len(photos))
        self.names = [os.path.realpath(name) for name in _names(photos)]
        self.taken = []
        for index, epoch in zip(*order(0, count), strict=True):
            h, w = images.size(photos.encoded(int(index)).image)
            part = CROP(crops.draws(0, int(epoch), int(index)), h, w, SIZE)
            self.taken.append((int(index), crops.Crop(*map(float, part[:4]), bool(part.mirrored))))

    def __len__(self):
        return len(self.taken)

    def __getitem__(self, i):
        """Return what PyTorch's workers make of a position."""
        index, part = self.taken[i]
        return by_pillow(pathlib.Path(self.names[index]).read_bytes(), part)


def _names(photos):
    root = pathlib.Path(PHOTOS.value)
    return [root / pathlib.Path(photos.encoded(i).name).name for i in range(len(photos))]


def by_pillow(data, part):
    """Decode and cut as a user of Pillow does."""
    box = (part.left, part.top, part.left + part.width, part.top + part.height)
    with Image.open(io.BytesIO(data)) as file:
        image = file.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, box)
    return np.asarray(image)[:, :: -1 if part.mirrored else 1]


def photo_by_photo(parts, threads):
    """Our own work on each photo, in threads."""

    def make(i):
        index, part = parts.taken[i]
        data = pathlib.Path(parts.names[index]).read_bytes()
        return crops.decode(data, 3, lambda *_: part, None, SIZE)

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(parts), BATCH):
            rows = range(start, min(start + BATCH, len(parts)))
            yield np.stack(list(pool.map(make, rows)))


def with_pillows_resizer(parts, threads):
    """The same without cykooz.resizer, which lacks wheels for some platforms."""
    used, resizing.resize = resizing.resize, resizing.by_pillow
    try:
        yield from photo_by_photo(parts, threads)
    finally:
        resizing.resize = used


def torch_loader(parts, threads):
    """PyTorch's loader with worker processes that use Pillow."""
    import torch

    yield from torch.utils.data.DataLoader(parts, BATCH, num_workers=threads, collate_fn=np.stack)


def tf_data(parts, threads, antialias=False, ahead=False):
    """The usual recipe: the part alone is decoded, and resized."""
    import tensorflow as tf

    def cut(name, window, mirrored):
        data = tf.io.read_file(name)
        image = tf.io.decode_and_crop_jpeg(data, window, 3, dct_method="INTEGER_ACCURATE")
        image = tf.image.resize(image, (SIZE, SIZE), antialias=antialias)
        image = tf.cond(mirrored, lambda: tf.image.flip_left_right(image), lambda: image)
        return tf.cast(image, tf.uint8)

    names = [parts.names[index] for index, _ in parts.taken]
    windows = np.array([part[:4] for _, part in parts.taken], np.int32)
    mirrored = [part.mirrored for _, part in parts.taken]
    examples = tf.data.Dataset.from_tensor_slices((names, windows, mirrored))
    batches = examples.map(cut, threads).batch(BATCH)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    batches = batches.prefetch(stream.AHEAD) if ahead else batches
    yield from batches.with_options(options).as_numpy_iterator()


def apart(photos):
    """Return how far the parts of both resizers lie from each other at most, in grey levels."""
    parts = Parts(photos, len(photos))
    pairs = zip(photo_by_photo(parts, 1), with_pillows_resizer(parts, 1), strict=True)
    return max(int(np.abs(one.astype(int) - other).max()) for one, other in pairs)


def main(argv):
    del argv
    import tensorflow as tf

    threads, count = THREADS.value, BATCHES.value
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    photos = inputs.photo_source(pathlib.Path(PHOTOS.value))
    parts = Parts(photos, count * BATCH)
    ours = functools.partial(inputs.streamed, photos, count, threads)
    loaders = {
        (PHOTO, OURS): lambda: photo_by_photo(parts, threads),
        (PHOTO, "cnn_history, Pillow's resizer"): lambda: with_pillows_resizer(parts, threads),
        (PHOTO, "tf.data"): lambda: tf_data(parts, threads),
        (PHOTO, "tf.data, antialiased"): lambda: tf_data(parts, threads, antialias=True),
        (STREAM, OURS): ours,
        (STREAM, "tf.data"): lambda: tf_data(parts, threads, ahead=True),
        (STREAM, "torch DataLoader, Pillow"): lambda: torch_loader(parts, threads),
    }
    rates, costs = ({key: [] for key in loaders} for _ in range(2))
    for make in loaders.values():
        inputs.turn(make())  # imports, and first uses
    for turn in range(ROUNDS.value):
        for key, make in loaders.items():
            gc.collect()
            made = inputs.turn(make())
            rates[key].append(made[0])
            costs[key].append(made[1])
        print(turn, {key: round(costs[key][-1], 2) for key in loaders}, flush=True)

    def row(key):
        what, loader = key
        return {
            "network": "",
            "mode": "input",
            "what": what,
            "loader": loader,
            "images_per_second": statistics.median(rates[key]),
            "processor_ms_per_image": statistics.median(costs[key]),
            "ratio": rounds.ratio(costs[what, OURS], costs[key]),
        }

    sizes = np.array([images.size(photos.encoded(i).image) for i in range(len(photos))])
    result = {
        "title": f"Loaders of photos, {threads} thread{'s' * (threads > 1)}",
        "what": "Photos are decoded, cropped alike and resized to 224x224. Rates are wall-clock; "
        "ratio: our processor time over the loader's in the same turn",
        "photos": len(photos),
        "median_size": np.median(sizes, 0).tolist(),
        "grey_levels_between_resizers": apart(photos),
        "batch": BATCH,
        "rounds": ROUNDS.value,
        "batches": count,
        "device": f"{record.devices()}, load average {os.getloadavg()[0]:.0f}",  # who else computed
        "versions": {**record.versions(), **stream.made_by(), "tensorflow": tf.__version__},
        "commit": record.commit(),
        "results": [row(key) for key in loaders],
    }
    record.write_json(pathlib.Path(OUTPUT.value) / f"loaders_{threads}.json", result)
    for one in result["results"]:
        cost = f"{one['images_per_second']:7.0f} {one['processor_ms_per_image']:6.2f} ms"
        ratio = "{median:.2f} ({low:.2f} to {high:.2f})".format(**one["ratio"])
        print(f"{one['what']:10} {one['loader']:32} {cost}  {ratio}")
    print("grey levels between the resizers:", result["grey_levels_between_resizers"])


if __name__ == "__main__":
    app.run(main)
