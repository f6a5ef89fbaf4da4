"""Measure the cost of evaluating photos of many sizes, against as many of one size.

    ./launch.sh python -m tests.measure_sizes --photos=DIR --workdir=RUN --output=FILE.json

RUN is a run of any network on a folder of photos. The photos are those of DIR, resized. The
compilation cache is not used. In a checkout of an earlier commit, the same file makes the numbers
that `--beside=FILE.npz` compares with ours.
"""

import io
import json
import pathlib
import resource
import tempfile
import time

import jax
import numpy as np
from absl import app, flags
from PIL import Image

from cnn_history import datasets, ensemble
from cnn_history.files import workdir
from cnn_history.training import devices

PHOTOS = flags.DEFINE_string("photos", None, "Folder of JPEG files.")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run.")
OUTPUT = flags.DEFINE_string("output", None, "File.json; File.npz beside it has probabilities.")
BESIDE = flags.DEFINE_string("beside", None, "File.npz of another commit.")
PROTOCOLS = flags.DEFINE_list(
    "protocols", ["crops144", "crops150", "dense", "multi_scale_dense"], "To measure."
)
COUNT = flags.DEFINE_integer("count", 60, "Photos of each kind.")
flags.mark_flags_as_required(["photos", "workdir", "output"])

ONE = (375, 500)  # ImageNet's commonest size


def sizes(count):
    """Return as many different sizes of about the same area, landscape and portrait."""
    areas = ONE[0] * ONE[1]
    found = {}
    for i in range(count):
        aspect = 1.05 + i / count
        h = round((areas / aspect) ** 0.5)
        found[(h, round(h * aspect)) if i % 2 else (round(h * aspect), h)] = None
    assert len(found) == count
    return list(found)


def folder(root, shapes, classes):
    """Write a photo of each shape; return the examples."""
    photos = sorted(pathlib.Path(PHOTOS.value).iterdir())
    for name in classes:
        (root / "val" / name).mkdir(parents=True)
    for i, (h, w) in enumerate(shapes):
        with Image.open(io.BytesIO(photos[i % len(photos)].read_bytes())) as photo:
            resized = photo.convert("RGB").resize((w, h))
        resized.save(root / "val" / classes[i % len(classes)] / f"{i}.JPEG", quality=90)
    return datasets.source("folder", "val", str(root))


def measured(source, protocol):
    """Return the seconds of processors, the growth of memory in MB, and the probabilities."""
    jax.clear_caches()
    before, began = resident(), time.process_time()
    made = ensemble.predictions(
        [pathlib.Path(WORKDIR.value)],
        source,
        ensemble.Measure(protocol),
        1,
        print,
        devices.mesh(),
    )
    return time.process_time() - began, resident() - before, np.asarray(made[0])


def resident():
    """Return what this process holds of memory, in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main(argv):
    del argv
    jax.config.update("jax_enable_compilation_cache", False)
    _, _, classes = workdir.load_inputs(pathlib.Path(WORKDIR.value))
    count = COUNT.value
    kinds = {"one size": [ONE] * count, "all sizes": sizes(count)}
    rows, kept = [], {}
    beside = np.load(BESIDE.value) if BESIDE.value else None
    with tempfile.TemporaryDirectory() as root:
        found = {
            kind: folder(pathlib.Path(root) / str(i), shapes, classes)
            for i, (kind, shapes) in enumerate(kinds.items())
        }
        measured(found["one size"], PROTOCOLS.value[0])  # imports
        for protocol in PROTOCOLS.value:
            row = {"protocol": protocol, "photos": count}
            for kind, source in found.items():
                seconds, grown, made = measured(source, protocol)
                kept[f"{protocol} {kind}"] = made
                row |= {f"{kind}, s": round(seconds, 2), f"{kind}, MB": round(grown)}
            row["ratio"] = round(row["all sizes, s"] / row["one size, s"], 2)
            if beside is not None:
                names = [f"{protocol} {kind}" for kind in kinds]
                row["apart"] = float(max(np.abs(kept[n] - beside[n]).max() for n in names))
            rows.append(row)
            print(row, flush=True)
    output = pathlib.Path(OUTPUT.value)
    output.write_text(json.dumps(rows, indent=2) + "\n")
    np.savez(output.with_suffix(".npz"), **kept)


if __name__ == "__main__":
    app.run(main)
