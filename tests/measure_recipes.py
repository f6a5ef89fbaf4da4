"""Train four networks by their papers' recipes on a folder of photos, and measure by each protocol.

    ./launch.sh python -m tests.measure_recipes --photos=DIR --minutes=10 --output=results

DIR holds SPLIT/CLASS/*.JPEG. Each network trains for that time, from its paper's initialization,
with the batch size in the table below and the paper's rate scaled to it. Called again with the same
`--runs`, it continues. Writes `recipes_on_photos.json`, and prints a Markdown table.
"""

import json
import pathlib
import signal
import subprocess

from absl import app, flags
from scipy import stats

from cnn_history.files import record
from tests.training import runs

PHOTOS = flags.DEFINE_string("photos", None, "Folder of SPLIT/CLASS/*.JPEG.", required=True)
MINUTES = flags.DEFINE_float("minutes", 10.0, "That each network trains; 0: measure what there is.")
RUNS = flags.DEFINE_string("runs", "runs/recipes", "Folder of the work directories.")
IMAGES = flags.DEFINE_integer("images", 500, "Of the validation split, for one view of each.")
FEWER = flags.DEFINE_integer("fewer", 100, "Likewise for many views.")
OUTPUT = flags.DEFINE_string("output", "results", "Folder of the JSON.")

MANY_VIEWS = {
    "single_crop": (),
    "ten_crop": ("--scale=256",),
    "dense": ("--scale=256",),
    "multi_scale_dense": ("--scales=256,288",),
    "crops144": (),
}
ALL, NONE = tuple(MANY_VIEWS), ()
WITHOUT_144 = ALL[:-1]  # which would take VGG11 half an hour here
# Config, batch, the paper's batch and rate, and what views its errors are measured by.
NETWORKS = {
    "alexnet_2012": ("alexnet_imagenet.py:dataset=folder", 64, 128, 0.01, ALL),
    "resnet18": ("resnet_imagenet.py:depth=18,dataset=folder", 32, 256, 0.1, ALL),
    "googlenet": ("googlenet_imagenet.py:dataset=folder", 32, 32, 0.01, ALL),
    "vgg11": ("vgg_imagenet.py:net=vgg11,dataset=folder", 16, 256, 0.01, WITHOUT_144),
    "vgg11, gaussian": (
        *("vgg_imagenet.py:net=vgg11,init=gaussian,dataset=folder", 16, 256, 0.01),
        NONE,
    ),
}
ENSEMBLE = ("resnet18", "alexnet_2012")
NOTE = (
    "The photos are 224x224 already: views from 256 and larger enlarge them. The three squares of "
    "such a photo are one, so that 144 crops are 48 different ones."
)
STEPS = 1_000_000  # more than the minutes allow


def train(name: str, folder: pathlib.Path) -> int:
    """Train for the minutes, and return the step that was reached."""
    config, batch, papers_batch, rate, _ = NETWORKS[name]
    command = [
        f"--config=experiments/{config}",
        f"--workdir={folder}",
        f"--config.data_dir={PHOTOS.value}",
        f"--config.batch_size={batch}",
        f"--config.learning_rate={rate * batch / papers_batch}",
        f"--config.steps={STEPS}",
        f"--config.test_split=val[:{FEWER.value}]",
        "--config.log_every=5",
        f"--config.eval_every={STEPS}",
        f"--config.checkpoint_every={STEPS}",
        "--config.statistics_batches=0",
    ]
    if MINUTES.value:
        process = runs.start("train", *command)
        try:
            process.communicate(timeout=60 * MINUTES.value)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # it saves first
            process.communicate()
    return max(int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdigit())


def measure(folders: list[pathlib.Path], protocol: str, options: tuple, images: int) -> dict:
    """Return the errors, and the exact binomial interval of 95 % of the first."""
    process = runs.start(
        "evaluate",
        f"--workdir={','.join(map(str, folders))}",
        f"--protocol={protocol}",
        f"--split=val[:{images}]",
        "--format=json",
        *options,
    )
    out, err = process.communicate()
    assert process.returncode == 0, err
    found = json.loads(out)
    wrong = round(found["top1_error"] * found["count"])
    ends = stats.binomtest(wrong, found["count"]).proportion_ci(method="exact")
    return {**found, "options": list(options), "low": float(ends.low), "high": float(ends.high)}


def main(argv):
    del argv
    root = pathlib.Path(RUNS.value).absolute()
    rows = []
    for name in NETWORKS:
        folder = root / name.replace(", ", "_")
        step = train(name, folder)
        losses = [x["loss"] for x in record.read_metrics(folder) if x["split"] == "train"]
        _, batch, _, _, views = NETWORKS[name]
        row = {"network": name, "steps": step, "batch_size": batch}
        row |= {"first_loss": losses[0], "last_loss": losses[-1]} if losses else {}
        found = [measure([folder], "single_crop", (), IMAGES.value)]
        found += [measure([folder], view, MANY_VIEWS[view], FEWER.value) for view in views]
        rows += [{**row, **one} for one in found]
        print(*(line(r) for r in rows[-len(found) :]), sep="\n", flush=True)
        keep(rows)
    members = [root / name for name in ENSEMBLE]
    for images in (IMAGES.value, FEWER.value):
        both = measure(members, "single_crop", (), images)
        rows.append({"network": " + ".join(ENSEMBLE), **both})
        print(line(rows[-1]), flush=True)
    keep(rows)


def keep(rows: list[dict]) -> None:
    """Write what was measured so far."""
    result = {
        "what": "errors of the papers' recipes, trained shortly on photos, by protocol",
        "note": NOTE,
        "chance": 0.9,
        "rows": rows,
        "versions": record.versions(),
        "devices": record.devices(),
    }
    record.write_json(pathlib.Path(OUTPUT.value) / "recipes_on_photos.json", result)


def line(row: dict) -> str:
    """Return a row of the table."""
    cells = (
        row["network"],
        str(row.get("steps", "–")),
        " ".join((row["protocol"], *row["options"])),
        str(row["count"]),
        f"{row['top1_error']:.1%} ({row['low']:.1%}–{row['high']:.1%})",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    app.run(main)
