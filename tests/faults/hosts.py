"""Two cooperating processes on hosts that differ.

    ./launch.sh python -m tests.faults.hosts --output=results/processes/hosts.json

applies each of DIFFERENCES to the second of two hosts, and records how both processes end, after
how many seconds from their start, and their messages.
"""

import json
import pathlib
import shutil
import socket
import sys
import tempfile
import time

from cnn_history.files import record
from tests.datasets import files
from tests.training import runs

CLASSES = ("blue", "green", "red")
FLAGS = (
    f"--config={runs.CHECKOUT}/experiments/lenet5_digits.py:smoke,dataset=folder",
    "--config.data_dir=data",
    "--config.train_split=train",
    "--config.test_split=val",
    "--config.batch_size=4",
    "--config.eval_batch_size=4",
    "--config.skipped_images=0",
)


def make(root):
    """Write photos, the first of each class larger than is looked at before the first step."""
    for split, count in (("train", 6), ("val", 3)):
        for k, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                side, kind = (90, "png") if i == 0 else (30, "jpeg")
                photo = files.encode(files.photo(side, side, seed=10 * k + i), kind)
                (root / split / name / f"{i}.{kind}").write_bytes(photo)


def no_data(root):
    shutil.rmtree(root)


def fewer_test_images(root):
    for path in root.glob("val/*/2.jpeg"):
        path.unlink()


def no_test_images(root):
    shutil.rmtree(root / "val")


def one_more_image(root):
    shutil.copy(root / "train/red/1.jpeg", root / "train/red/9.jpeg")


def a_renamed_image(root):
    (root / "train/red/1.jpeg").rename(root / "train/red/8.jpeg")


def another_image(root):
    (root / "train/red/1.jpeg").write_bytes(files.jpeg(30, 30, seed=99))


def a_renamed_class(root):
    for split in ("train", "val"):
        (root / split / "blue").rename(root / split / "zulu")


def one_more_class(root):
    shutil.copytree(root / "train/red", root / "train/violet")


def exchanged_classes(root):
    (root / "train/red").rename(root / "kept")
    (root / "train/blue").rename(root / "train/red")
    (root / "kept").rename(root / "train/blue")


def damaged_further_in(root):
    """Found by the process that decodes it alone, in mid-course."""
    for path in root.glob("train/*/*.png"):
        data = path.read_bytes()
        path.write_bytes(data[:5000] + b"\xff" * (len(data) - 5000))


def other_flags(root):
    """As one who starts the second by hand may."""
    return ("--config.seed=1",)


def a_field_that_is_not_there(root):
    """Found before the second has met the first."""
    return ("--config.sed=1",)


DIFFERENCES = (
    *(no_data, fewer_test_images, no_test_images, one_more_image, a_renamed_image, another_image),
    *(
        a_renamed_class,
        one_more_class,
        exchanged_classes,
        damaged_further_in,
        other_flags,
        a_field_that_is_not_there,
    ),
)
STATUS = 2


def one(differ):
    """Return statuses, seconds and last lines of both processes."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        here = pathlib.Path(name)
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        started, began = [], time.monotonic()
        for k in range(2):
            make(here / str(k) / "data")
            more = (differ(here / str(k) / "data") or ()) if k else ()
            where = ("--processes=2", f"--process={k}", f"--coordinator={address}")
            started.append(
                runs.start(
                    "train",
                    *(*FLAGS, *more, f"--workdir={here}/run", *where),
                    cwd=here / str(k),
                    PYTHONPATH=str(runs.CHECKOUT),
                )
            )
        ends = []
        for process in started:
            status, _, err = runs.finish(process)
            said = [line for line in err.splitlines() if line.startswith(("train:", "distr"))]
            ends.append((status, round(time.monotonic() - began, 1), said))
        statuses, seconds, said = zip(*ends, strict=True)
        return {
            "difference": differ.__name__.replace("_", " "),
            "statuses": statuses,
            "seconds": seconds,
            "said": said,
        }


def main(output):
    """Do all of it, and write the table."""
    rows = []
    for differ in DIFFERENCES:
        rows.append(one(differ))
        print(json.dumps(rows[-1]), flush=True)
    record.write_json(output, {"rows": rows, "versions": record.versions()})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1].removeprefix("--output=")))
