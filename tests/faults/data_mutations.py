"""What a second start of a run makes of data that have changed since its first.

    ./launch.sh python -m tests.faults.data_mutations --output=results/faults/data_mutations.json

makes TRIES random changes, each of one to three MUTATIONS, by a seed of its own, to a folder of
photos or to a data set of TensorFlow Datasets. Each start either refuses them in a line, or goes on
with the same labels, files and order as before, found here by reading all of it.
"""

import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
from collections import Counter

from cnn_history import build
from cnn_history.errors import UserError
from cnn_history.files import bucket, record, workdir
from cnn_history.training import loop
from experiments import lenet5_digits
from tests.datasets import files
from tests.shared import SHARED

TRIES = 200
OF_TFDS = 4  # every fourth
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
    path.write_bytes(
        files.encode(files.photo(seed=rng.randrange(99)), quality=rng.randrange(50, 95))
    )


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
    *(add, remove, rename, exchange, move, touch, encode_anew, end_of_a_large_file),
    *(rename_class, exchange_classes, remove_class, add_class, add_split, add_notes),
)
MUTATIONS = {"folder": OF_FOLDERS}
MUTATIONS["cifar10"] = (newer_version, variant, names_of_classes, shards, touch_info)
UNSEEN = {end_of_a_large_file.__name__}


def config_of(name, root):
    config = lenet5_digits.get_config(f"smoke,dataset={name}")
    splits = {"train_split": "train", "test_split": "val"}
    if name == "cifar10":
        splits = {"train_split": "train[:40]", "test_split": "test[:20]"}
    config.update(data_dir=str(root), **splits)
    return config


def content(config):
    """Return (class, bytes) of all examples, in their order."""
    return [
        (one.classes[example.label], example.image)
        for one in build.sources(config)
        for example in map(one.encoded, range(len(one)))
    ]


def start(config, folder):
    """Start a run as `train` does, as far as its data are looked at."""
    place = bucket.Place(folder, folder)
    return loop._data(build.experiment(config), place)


def begin(name, root, folder):
    """Make data and a run of them that has begun; return what is in the data."""
    make_folder(root) if name == "folder" else make_tfds(root)
    config = config_of(name, root)
    folder.mkdir()
    workdir.save_data(folder, start(config, folder))
    record.write_json(folder / workdir.CONFIG, workdir.config_json(config))
    return content(config)


def one_try(seed, here):
    """Return a row: what was changed, what the start said, and whether all is as it was."""
    rng, root, folder = random.Random(seed), here / "data", here / "run"
    name = "folder" if seed % OF_TFDS else "cifar10"
    before = begin(name, root, folder)
    done = []
    for mutate in rng.choices(MUTATIONS[name], k=rng.randrange(1, 4)):
        try:
            mutate(rng, root)
        except (OSError, IndexError, ValueError):
            continue  # there was nothing left of the kind
        done.append(mutate.__name__)
    row = {"seed": seed, "data": name, "changes": done}
    try:
        start(config_of(name, root), folder)
    except UserError as error:
        return {**row, "end": "refused", "said": str(error).replace(str(here), "")}
    same = content(config_of(name, root)) == before
    return {**row, "end": "goes on", "same": same}


def campaign(tries=range(TRIES)):
    """Return the rows."""
    rows = []
    for seed in tries:
        with tempfile.TemporaryDirectory() as here:
            rows.append(one_try(seed, pathlib.Path(here)))
    return rows


def wrong(rows):
    """Return those that went on with other data, but for what the digest is stated not to see."""
    return [
        row
        for row in rows
        if row["end"] == "goes on" and not row["same"] and not UNSEEN & {*row["changes"]}
    ]


def main(output):
    """Do all of it, and write the table."""
    rows = campaign()
    ends = Counter((row["end"], row.get("same")) for row in rows)
    for row in rows:
        print(json.dumps(row))
    found = {"tries": len(rows), "wrong": wrong(rows), "rows": rows}
    print({f"{end} {same}": count for (end, same), count in ends.items()}, "wrong:", wrong(rows))
    record.write_json(output, {**found, "versions": record.versions()})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1].removeprefix("--output=")))
