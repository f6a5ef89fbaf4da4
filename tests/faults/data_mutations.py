"""Start a run, change its data, and check how a second start reacts.

    ./launch.sh python -m tests.faults.data_mutations --output=results/faults/data_mutations.json

makes TRIES tries, each with its own seed: a run makes its FIRST steps on a folder of photos or on a
data set of TensorFlow Datasets; one to three MUTATIONS change the data; the run is started again,
for STEPS steps in all. That start must either end with status 2 and a line, or see the same data as
a run on unchanged data: the same examples, labels and pixels in the same order, in training and in
its last evaluation.
"""

import contextlib
import functools
import io
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from unittest import mock

import jax
import numpy as np
from PIL import Image

from cnn_history.errors import WRONG_INPUT, UserError
from cnn_history.files import record
from cnn_history.reporting import figures
from cnn_history.training import devices, feed, loop
from experiments import lenet5_digits
from tests.datasets import files
from tests.shared import SHARED

TRIES = 200
FIRST, STEPS = 3, 6  # steps of the first start, and of both; three take each example at least once
OF_TFDS = 4  # every fourth
TEST = "test"
SKIPPED = r"skipped: (\S+): "  # the line of a photo that cannot be decoded
CLASSES = ("ant", "bee", "wasp")
PREPARED = SHARED / "data" / "tfds" / "cifar10" / "3.0.2"


def make_folder(root):
    """Write five training and two test photos of each class, one of them larger than is read."""
    for split, count in (("train", 5), ("val", 2)):
        for k, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                large = 200 if i == 0 else 30
                photo = files.encode(files.photo(large, large, seed=10 * k + i), quality=90)
                (root / split / name / f"{i}.jpg").write_bytes(photo)


def make_tfds(root):
    """Make a prepared data set whose shards are links."""
    folder = root / "cifar10" / PREPARED.name
    folder.mkdir(parents=True)
    for path in PREPARED.iterdir():
        if "array_record" in path.name:
            (folder / path.name).symlink_to(path)
        else:
            shutil.copy(path, folder)


def photos(root):
    return sorted(path for path in root.rglob("*.*") if path.is_file())


def one_of(rng, root):
    return rng.choice(photos(root))


def class_of(rng, root):
    return rng.choice(sorted(path for path in root.glob("*/*") if path.is_dir()))


def add(rng, root):
    path = one_of(rng, root)
    shutil.copy(path, path.with_name(f"new{rng.randrange(99)}{path.suffix}"))


def remove(rng, root):
    one_of(rng, root).unlink()


def rename(rng, root):
    path = one_of(rng, root)
    path.rename(path.with_name(f"other{rng.randrange(99)}{path.suffix}"))


def exchange(rng, root):
    """The contents of two files, which may be of two classes."""
    one, other = rng.sample(photos(root), 2)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def move(rng, root):
    path, folder = one_of(rng, root), class_of(rng, root)
    path.rename(folder / path.name)


def touch(rng, root):
    os.utime(one_of(rng, root), (rng.randrange(10**9),) * 2)


def encode_anew(rng, root):
    path = one_of(rng, root)
    pixels = np.asarray(Image.open(path))
    path.write_bytes(files.encode(pixels, quality=rng.randrange(50, 90)))


def replace(rng, root):
    one_of(rng, root).write_bytes(files.jpeg(30, 30, seed=rng.randrange(999)))


def end_of_a_large_file(rng, root):
    """Further in than the digest sees."""
    large = [path for path in photos(root) if path.stat().st_size > 5000]
    if large:
        path = rng.choice(large)
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(data)


def rename_class(rng, root):
    name, new = class_of(rng, root).name, f"class{rng.randrange(99)}"
    for split in root.iterdir():
        if (split / name).is_dir():
            (split / name).rename(split / new)


def exchange_classes(rng, root):
    one, other = rng.sample(CLASSES, 2)
    for split in root.iterdir():
        if (split / one).is_dir() and (split / other).is_dir():
            (split / one).rename(split / "kept")
            (split / other).rename(split / one)
            (split / "kept").rename(split / other)


def remove_class(rng, root):
    shutil.rmtree(class_of(rng, root))


def add_class(rng, root):
    path = one_of(rng, root)
    folder = root / rng.choice(("train", "val")) / f"added{rng.randrange(99)}"
    folder.mkdir(parents=True)
    shutil.copy(path, folder)


def add_split(rng, root):
    (root / "test" / "unknown").mkdir(parents=True, exist_ok=True)
    shutil.copy(one_of(rng, root), root / "test" / "unknown")


def add_notes(rng, root):
    (class_of(rng, root) / "notes.txt").write_text("no image")


def newer_version(rng, root):
    old = rng.choice(sorted((root / "cifar10").iterdir()))
    new = old.with_name(f"3.{rng.randrange(9)}.{rng.randrange(9)}")
    if not new.exists():
        shutil.copytree(old, new, symlinks=True)
        info = json.loads((new / "dataset_info.json").read_text())
        info["version"] = new.name
        (new / "dataset_info.json").write_text(json.dumps(info))


def variant(rng, root):
    for old in sorted((root / "cifar10").glob("3.*")):
        shutil.copytree(old, root / "cifar10" / "small" / old.name, symlinks=True)
        break


def names_of_classes(rng, root):
    for path in root.rglob("label.labels.txt"):
        names = path.read_text().split()
        rng.shuffle(names)
        path.write_text("\n".join(names) + "\n")


def shards(rng, root):
    """Training and test shards change places."""
    one, other = sorted(rng.choice(sorted(root.rglob("features.json"))).parent.glob("*array*"))
    kept = os.readlink(one)
    one.unlink()
    one.symlink_to(os.readlink(other))
    other.unlink()
    other.symlink_to(kept)


def touch_info(rng, root):
    for path in root.rglob("dataset_info.json"):
        os.utime(path, (rng.randrange(10**9),) * 2)


OF_FOLDERS = (
    *(add, remove, rename, exchange, move, touch, encode_anew, replace),
    *(end_of_a_large_file, rename_class, exchange_classes, remove_class, add_class),
    *(add_split, add_notes),
)
MUTATIONS = {"folder": OF_FOLDERS}
MUTATIONS["cifar10"] = (newer_version, variant, names_of_classes, shards, touch_info)
UNSEEN = {end_of_a_large_file.__name__}


def config_of(name, root, steps):
    config = lenet5_digits.get_config(f"smoke,dataset={name}")
    splits = {"train_split": "train", "test_split": "val"}
    if name == "cifar10":
        splits = {"train_split": "train[:40]", "test_split": "test[:20]"}
    config.update(data_dir=str(root), steps=steps, eval_every=FIRST, log_every=1, **splits)
    return config


class Fed:
    """What a run is fed, kept while `watched`: by step, and by TEST what the last evaluation is.

    Attributes:
      labels: file, label, and class's name of each example, in their order.
      pixels: of their images.
    """

    def __init__(self):
        self.labels, self.pixels = {}, {}

    @contextlib.contextmanager
    def watched(self):
        with (
            mock.patch.object(feed, "feed", self._trained(feed.feed)),
            mock.patch.object(feed, "over_examples", self._tested(feed.over_examples)),
        ):
            yield

    def _trained(self, real):
        def make(experiment, *arguments):
            made = real(experiment, *arguments)
            at, self._test = made.at, experiment.test

            def seen(step, count):
                cursor = at(step, count)
                self._keep(step, experiment.train, cursor["ids"], *made.take(made.data, cursor))
                return cursor

            made.at = seen
            return made

        return make

    def _tested(self, real):
        def over_examples(function, *arguments):
            self.labels.pop(TEST, None)

            def seen(batch):
                count = len(self._test)  # one batch has them all, and rows that are empty
                self._keep(TEST, self._test, range(count), *(batch[k] for k in ("image", "label")))
                return function(batch)

            return real(seen, *arguments)

        return over_examples

    def _keep(self, step, source, ids, images, labels):
        assert step not in self.labels
        ids = np.asarray(ids).tolist()
        names = [source.name_of(i) if source.name_of else i for i in ids]
        known = [(int(k), source.classes[k]) for k in np.asarray(labels)[: len(ids)]]
        self.labels[step] = list(zip(names, known, strict=True))
        self.pixels[step] = np.asarray(images).tobytes()


def same(fed, expected, skipped):
    """Return whether steps and evaluation got the same labels in the same order, and pixels.

    What is `skipped` by name, as another example stands in for it, is left out of the labels.
    """

    def labels(one, step):
        return [label for label in one.labels[step] if label[0] not in skipped]

    steps = [*range(FIRST, STEPS), TEST]
    return {
        "same_labels": all(labels(fed, step) == labels(expected, step) for step in steps),
        "same_pixels": all(fed.pixels[step] == expected.pixels[step] for step in steps),
        "skipped": sorted(skipped),
    }


def start(name, root, folder, steps):
    """Start a run as `train` does; return (its status, what it said, what it was fed)."""
    said, fed = io.StringIO(), Fed()
    with (
        mock.patch.object(figures, "run"),
        contextlib.redirect_stderr(said),
        fed.watched(),
    ):
        try:
            loop.run(config_of(name, root, steps), folder)
        except UserError as error:
            return WRONG_INPUT, str(error), fed
    return 0, said.getvalue(), fed


@functools.cache
def truth(name):
    """Return what a run on unchanged data is fed, from its start to its end."""
    with tempfile.TemporaryDirectory() as here:
        root = pathlib.Path(here) / "data"
        make(name, root)
        status, said, fed = start(name, root, pathlib.Path(here) / "run", STEPS)
    assert status == 0, said
    return fed


def make(name, root):
    make_folder(root) if name == "folder" else make_tfds(root)


def one_try(seed, here):
    """Return a row: what was changed, how the second start ended, and what it was fed."""
    rng, root, folder = random.Random(seed), here / "data", here / "run"
    name = "folder" if seed % OF_TFDS else "cifar10"
    make(name, root)
    status, said, _ = start(name, root, folder, FIRST)
    assert status == 0, said
    done = []
    for mutate in rng.choices(MUTATIONS[name], k=rng.randrange(1, 4)):
        try:
            mutate(rng, root)
        except (OSError, IndexError, ValueError):
            continue  # there was nothing left of the kind
        done.append(mutate.__name__)
    status, said, fed = start(name, root, folder, STEPS)
    row = {"seed": seed, "data": name, "changes": done, "status": status}
    if status:
        return {**row, "said": said.replace(str(here), "")}
    return {**row, **same(fed, truth(name), set(re.findall(SKIPPED, said)))}


def campaign(tries=range(TRIES)):
    """Return the rows."""
    rows = []
    for seed in tries:
        with tempfile.TemporaryDirectory() as here:
            rows.append(one_try(seed, pathlib.Path(here)))
        jax.clear_caches()
    return rows


def wrong(rows):
    """Return the tries that went on with another order, other labels or, unless told, other pixels.

    What the digest is stated not to see is other pixels alone; and a photo that is skipped is told.
    """
    return [
        row
        for row in rows
        if row["status"] == 0
        and not (row["same_labels"] and (row["same_pixels"] or UNSEEN & {*row["changes"]}))
    ]


def main(output):
    """Do all of it, and write the table."""
    devices.start()
    rows = campaign()
    for row in rows:
        print(json.dumps(row))
    ends = Counter((row["data"], row["status"], row.get("same_pixels")) for row in rows)
    counts = [
        {"data": data, "status": status, "same_pixels": same, "tries": count}
        for (data, status, same), count in sorted(ends.items(), key=str)
    ]
    print(*counts, f"wrong: {wrong(rows)}", sep="\n")
    found = {"tries": len(rows), "steps": [FIRST, STEPS], "ends": counts, "wrong": wrong(rows)}
    record.write_json(output, {**found, "rows": rows, "versions": record.versions()})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1].removeprefix("--output=")))
