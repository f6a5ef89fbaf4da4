"""How fast photos are decoded and cut, beside PyTorch's loader and tf.data, in one run.

    EXTRAS=tf,torch ./launch.sh python -m tests.compare_loaders --photos=DIR --output=results

The suite `input` of `benchmark` has two of these loaders. Every one reads the same JPEG files, cuts
8-100 % of the area at an aspect of 3/4-4/3, resizes it to 224x224, mirrors every second one, and
gives batches of 32 as uint8. They take turns, so that a slower machine is slower for all, and
ratios are those of the same turn. Writes `loaders.json`.
"""

import os
import pathlib
import statistics

import numpy as np
from absl import app, flags

from cnn_history.benchmarks import inputs, rounds, torch_loaders
from cnn_history.benchmarks.inputs import PHOTO_BATCH as BATCH
from cnn_history.benchmarks.inputs import SIZE, WARM_UP
from cnn_history.datasets import crops, stream
from cnn_history.files import record

PHOTOS = flags.DEFINE_string("photos", None, "Folder of JPEG files, of natural sizes.")
OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each loader.")
BATCHES = flags.DEFINE_integer("batches", 12, "That are timed in a turn, after two that are not.")
flags.mark_flag_as_required("photos")

WORKERS = os.cpu_count()
AREA, ASPECT = inputs.CROP.keywords["area"], inputs.CROP.keywords["aspect"]


class GrainExamples:
    """The same examples for worker processes: whatever they are sent must be picklable."""

    def __init__(self, files, count):
        self.files, self.count = files, count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        data = pathlib.Path(self.files[i % len(self.files)]).read_bytes()
        return crops.decode(data, 3, inputs.CROP, crops.draws(0, 0, i), SIZE, reduced=True)


def ours_in_processes(files, count):
    """The same by Grain's worker processes, which the training loop does not use."""
    import grain

    examples = GrainExamples(files, count * BATCH)
    dataset = grain.MapDataset.source(examples).to_iter_dataset().batch(BATCH, drop_remainder=True)
    iterator = iter(dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=WORKERS)))
    try:
        yield from iterator
    finally:
        iterator.close()


def tf_data(files, count):
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
    yield from batches.take(count).as_numpy_iterator()


def main(argv):
    del argv
    import tensorflow
    import torch

    photos = inputs.photo_source(pathlib.Path(PHOTOS.value))
    count = WARM_UP + BATCHES.value
    files = sorted(str(path) for path in pathlib.Path(PHOTOS.value).iterdir())
    loaders = {
        "cnn_history": lambda: inputs.streamed(photos, count),
        "cnn_history's by worker processes": lambda: ours_in_processes(files, count),
        "torch DataLoader, Pillow": lambda: torch_loaders.photos(
            photos, inputs.CROP, SIZE, BATCH, count
        ),
        "tf.data": lambda: tf_data(files, count),
    }
    rates, costs = ({name: [] for name in loaders} for _ in range(2))
    for turn in range(ROUNDS.value):
        for name, make in loaders.items():
            made = inputs.turn(make())
            rates[name].append(made[0])
            costs[name].append(made[1])
        print(turn, {n: (round(rates[n][-1]), round(costs[n][-1], 1)) for n in loaders}, flush=True)

    def row(name):
        return {
            "network": "",
            "mode": "input",
            "loader": name,
            "images_per_second": statistics.median(rates[name]),
            "processor_ms_per_image": statistics.median(costs[name]),
            "ratio": rounds.ratio(rates[name], rates["cnn_history"]),
        }

    sizes = np.array([stream.images.size(photos.encoded(i).image) for i in range(len(photos))])
    result = {
        "title": "Loaders of photos",
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
