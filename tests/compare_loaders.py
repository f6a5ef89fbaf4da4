"""How fast photos are decoded and cut, beside PyTorch's loader and tf.data, in one run.

    EXTRAS=tf,torch ./launch.sh python -m tests.compare_loaders --photos=DIR --output=results

Every loader reads the same JPEG files, cuts 8-100 % of the area at an aspect of 3/4-4/3, resizes it
to 224x224, mirrors every second one, and gives batches of 32 as uint8. They take turns, so that a
slower machine is slower for all, and ratios are those of the same turn. Writes `loaders.json`.
"""

import functools
import gc
import os
import pathlib
import resource
import statistics
import tempfile
import time

import jax
import numpy as np
from absl import app, flags

from cnn_history import datasets
from cnn_history.datasets import crops, stream
from cnn_history.datasets.order import Order
from cnn_history.training import record
from experiments import common

PHOTOS = flags.DEFINE_string("photos", None, "Folder of JPEG files, of natural sizes.")
OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each loader.")
BATCHES = flags.DEFINE_integer("batches", 12, "That are timed in a turn, after two that are not.")
flags.mark_flag_as_required("photos")

SIZE, BATCH, WARM_UP = 224, 32, 2
WORKERS = os.cpu_count()
OPTIONS = common.AUGMENTATIONS["googlenet"]
AREA, ASPECT = OPTIONS["area"], OPTIONS["aspect"]
CROP = functools.partial(crops.random_area, area=AREA, aspect=ASPECT)


def source():
    """Return the photos as one class of a folder."""
    root = pathlib.Path(tempfile.mkdtemp())
    (root / "train").mkdir()
    (root / "train" / "photo").symlink_to(pathlib.Path(PHOTOS.value).absolute())
    return datasets.source("folder", "train", str(root))


def ours(photos):
    """Grain reads ahead with a thread for each processor, as the training loop has it."""

    def fail(name, why):
        raise ValueError(f"{name}: {why}")

    order = Order(jax.random.key(0), len(photos))
    steps = WARM_UP + BATCHES.value
    for batch in stream.training(photos, order, CROP, SIZE, 0, BATCH, range(BATCH), 0, steps, fail):
        yield batch["image"]


class GrainExamples:
    """The same examples for worker processes: whatever they are sent must be picklable."""

    def __init__(self, files, count):
        self.files, self.count = files, count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        data = pathlib.Path(self.files[i % len(self.files)]).read_bytes()
        return crops.decode(data, 3, CROP, stream.crop_draws(0, 0, i), SIZE)


def ours_in_processes(files):
    """The same by Grain's worker processes, which the training loop does not use."""
    import grain

    examples = GrainExamples(files, (WARM_UP + BATCHES.value) * BATCH)
    dataset = grain.MapDataset.source(examples).to_iter_dataset().batch(BATCH, drop_remainder=True)
    iterator = iter(dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=WORKERS)))
    try:
        yield from iterator
    finally:
        iterator.close()


def torch_loader(files):
    """PyTorch's loader with Pillow in worker processes: decode, cut, resize, mirror."""
    import torch
    from PIL import Image

    class Files(torch.utils.data.Dataset):
        def __len__(self):
            return (WARM_UP + BATCHES.value) * BATCH

        def __getitem__(self, i):
            with Image.open(files[i % len(files)]) as file:
                image = file.convert("RGB")
            part = CROP(stream.crop_draws(0, 0, i), image.height, image.width, SIZE)
            box = (part.left, part.top, part.left + part.width, part.top + part.height)
            image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box)
            if part.mirrored:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            return torch.from_numpy(np.array(image))

    yield from torch.utils.data.DataLoader(Files(), BATCH, shuffle=True, num_workers=WORKERS)


def tf_data(files):
    """The usual recipe: a distorted box, cut while decoding, and a bilinear resize."""
    import tensorflow as tf

    def cut(name):
        data = tf.io.read_file(name)
        begin, length, _ = tf.image.sample_distorted_bounding_box(
            tf.image.extract_jpeg_shape(data),
            tf.zeros([0, 0, 4], tf.float32),
            min_object_covered=0,
            aspect_ratio_range=ASPECT,
            area_range=AREA,
            max_attempts=crops.ATTEMPTS,
            use_image_if_no_bounding_boxes=True,
        )
        window = tf.concat([begin[:2], length[:2]], 0)
        image = tf.io.decode_and_crop_jpeg(data, window, channels=3)
        image = tf.image.random_flip_left_right(tf.image.resize(image, (SIZE, SIZE)))
        return tf.cast(image, tf.uint8)

    files = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files)).repeat()
    batches = files.map(cut, tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    yield from batches.take(WARM_UP + BATCHES.value).as_numpy_iterator()


def processor_seconds() -> float:
    """Return what this process and its ended workers have used of the processors."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def rate(batches) -> tuple[float, float]:
    """Return images a second after the first batches, and processor milliseconds an image.

    Those are of the whole turn, the start of workers included; they do not see who else computes.
    """
    used = processor_seconds()
    for _ in range(WARM_UP):
        next(batches)
    began, count = time.perf_counter(), 0
    for images in batches:
        assert tuple(images.shape) == (BATCH, SIZE, SIZE, 3)
        count += len(images)
    seconds = time.perf_counter() - began
    del batches
    gc.collect()  # ends the workers
    used = processor_seconds() - used
    return count / seconds, 1000 * used / (count + WARM_UP * BATCH)


def main(argv):
    del argv
    import tensorflow
    import torch

    photos = source()
    files = sorted(str(path) for path in pathlib.Path(PHOTOS.value).iterdir())
    loaders = {
        "cnn_history": lambda: ours(photos),
        "cnn_history's by worker processes": lambda: ours_in_processes(files),
        "torch DataLoader, Pillow": lambda: torch_loader(files),
        "tf.data": lambda: tf_data(files),
    }
    rates, costs = ({name: [] for name in loaders} for _ in range(2))
    for turn in range(ROUNDS.value):
        for name, make in loaders.items():
            made = rate(make())
            rates[name].append(made[0])
            costs[name].append(made[1])
        print(turn, {n: (round(rates[n][-1]), round(costs[n][-1], 1)) for n in loaders}, flush=True)

    def row(name):
        ratios = [b / a for a, b in zip(rates["cnn_history"], rates[name], strict=True)]
        return {
            "network": "",
            "mode": "input",
            "loader": name,
            "images_per_second": statistics.median(rates[name]),
            "processor_ms_per_image": statistics.median(costs[name]),
            "ratio": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        }

    sizes = np.array([stream.images.size(photos.encoded(i).image) for i in range(len(photos))])
    result = {
        "what": "photos decoded, cut at random and resized to 224x224, images a second; ratio: "
        "our time over the loader's in the same turn",
        "photos": len(photos),
        "median_size": np.median(sizes, 0).tolist(),
        "batch": BATCH,
        "rounds": ROUNDS.value,
        "batches": BATCHES.value,
        "workers": WORKERS,
        "device": f"{record.devices()}, load average {os.getloadavg()[0]:.0f}",  # who else computed
        "versions": {
            **record.versions(),
            "torch": torch.__version__,
            "tensorflow": tensorflow.__version__,
        },
        "commit": record.commit(),
        "results": [row(name) for name in loaders],
    }
    record.write_json(pathlib.Path(OUTPUT.value) / "loaders.json", result)
    for one in result["results"]:
        rates = f"{one['images_per_second']:7.0f} {one['processor_ms_per_image']:6.2f} ms"
        print(f"{one['loader']:36} {rates}  {one['ratio']}")


if __name__ == "__main__":
    app.run(main)
