"""Gives bad input to the real commands and writes their messages to docs/faults.md.

./launch.sh python -m tests.messages    # rewrites the section
"""

import pathlib
import struct
import tempfile
import zipfile

import numpy as np

from tests import forks
from tests.datasets import files
from tests.training.runs import CHECKOUT
from tests.weights.payload import Evil

PAGE = CHECKOUT / "docs" / "faults.md"
TITLE = "## Bad input, as printed"
INTRODUCTION = """\
`./launch.sh python -m tests.messages` gives each of these inputs to the real command and writes
this list. `W` is a folder; the verb and the exit status are in parentheses. No code in the files
was executed, and no link was followed.
"""

LENET = "--config=experiments/lenet5_digits.py:smoke"
FOLDER = (f"{LENET},dataset=folder", "--workdir=W/run", "--config.data_dir=W/photos")
RECORDS = (f"{LENET},dataset=squares", "--workdir=W/run", "--config.data_dir=W/prepared")
RECORD_FILE = "squares-train.array_record-00000-of-00001"


def plain(*flags):
    """Return a case that only passes flags to the command."""
    return lambda folder: (LENET, "--workdir=W/run", *flags)


def photos(change, *flags):
    """Return a case that makes a folder of photos and changes it."""

    def make(folder):
        files.make_folder(folder / "photos", train=160, val=64)
        change(folder / "photos")
        return (*FOLDER, *flags)

    return make


def records(change):
    """Return a case that prepares a data set and changes its files."""

    def make(folder):
        from cnn_history import prepare_data
        from tests.datasets.test_sources import Squares

        change(prepare_data.prepare(Squares.name, folder / "prepared"))
        return RECORDS

    return make


def flip(folder):
    path = folder / RECORD_FILE
    data = bytearray(path.read_bytes())
    data[data.index(b"\x89PNG") + 20] ^= 1
    path.write_bytes(data)


def edit(name, old, new):
    def change(folder):
        path = next(folder.glob(f"*{name}"))
        path.write_text(path.read_text().replace(old, new))

    return change


def cut(photo):
    data = photo.read_bytes()
    photo.write_bytes(data[:700] + data[900:])


def every_kind(root):
    for kind, data in files.CONVERTED.items():
        (root / "train" / "ant" / f"{kind}.JPEG").write_bytes(data)
    for kind, (data, _) in files.BAD.items():
        (root / "train" / "bee" / f"{kind}.JPEG").write_bytes(data)


def weights(name, write):
    """Return a case that makes a malicious file of weights."""

    def make(folder):
        write(folder / name)
        return ("--model=resnet20", f"--checkpoint=W/{name}", "--workdir=W/imported")

    return make


def code(path):
    import torch

    torch.save({"conv1.weight": Evil(path.parent / "trace")}, path)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/data/0", bytes(1 << 24))


def run_of_another(change):
    """Return a case that evaluates a work directory from someone else."""

    def make(folder):
        from cnn_history.files import record, workdir
        from experiments import lenet5_digits

        (folder / "theirs").mkdir()
        config = workdir.config_json(lenet5_digits.get_config())
        record.write_json(folder / "theirs" / "config.json", config)
        change(folder / "theirs")
        return ("--workdir=W/theirs",)

    return make


def objects(folder):
    np.savez(folder / "inputs.npz", size=np.array([Evil(folder / "trace")], object))


TRAIN = {
    "a misspelled field": plain("--config.learnign_rate=0.1"),
    "a misspelled option": plain("--config.optimizer.momentum.deca=0.9"),
    "a misspelled choice": plain("--config.optimizer.name=momentun"),
    "a wrong type": plain("--config.init_layers=(3,)", "--config.init_from=x"),
    "a value out of range": plain("--config.optimizer.momentum.decay=1.0"),
    "two fields that contradict each other": plain("--config.image_size=20"),
    "an unknown data set": plain("--config.dataset=../digits"),
    "a class without photos": photos(lambda root: (root / "train" / "wasp").mkdir()),
    "a broken link": photos(lambda root: (root / "train/ant/x.JPEG").symlink_to("gone")),
    "two incomplete photos, where one is allowed": photos(
        lambda root: [cut(root / "train" / "ant" / f"{i}.JPEG") for i in (0, 2)],
        "--config.skipped_images=1",
    ),
    "photos in every format, some of them damaged or too large": photos(
        every_kind, f"--config.skipped_images={len(files.BAD)}"
    ),
    "one bit of a record flipped": records(flip),
    "a label beyond the number of classes": records(
        edit("label.labels.txt", "dark\nbright", "dark")
    ),
    "a data set description that names code": records(
        edit("features.json", "tensorflow_datasets.core.features.image_feature", "evil")
    ),
    "a step that is not finite": plain("--config.learning_rate=1e38"),
}
EVALUATE = {
    "an array of Python objects (a pickle)": run_of_another(objects),
    "a checkpoint folder that links elsewhere": run_of_another(
        lambda folder: (folder / "checkpoints").symlink_to("/etc")
    ),
}
IMPORT_WEIGHTS = {
    "a pickle that runs code": weights("weights.pth", code),
    "an archive that unpacks to 16 MB": weights("bomb.pth", bomb),
    "a header of 2^63 bytes": weights(
        "weights.safetensors", lambda path: path.write_bytes(struct.pack("<Q", 1 << 63) + b"{}")
    ),
}
IMPORTS = {"train": ["tensorflow_datasets"], "evaluate": [], "import_weights": ["torch"]}
VERBS = {"train": TRAIN, "evaluate": EVALUATE, "import_weights": IMPORT_WEIGHTS}


def rows(folder):
    """Yield (verb, input, exit status, printed lines)."""
    for verb, cases in VERBS.items():
        lines = []
        for i, make in enumerate(cases.values()):
            here = folder / f"{verb}{i}"
            here.mkdir()
            lines.append([argument.replace("W/", f"{here}/") for argument in make(here)])
        for i, (what, (status, text)) in enumerate(
            zip(cases, forks.run(verb, lines, *IMPORTS[verb]), strict=True)
        ):
            said = text.replace(str(folder / f"{verb}{i}"), "W").strip().splitlines()
            said = [line for line in said if line.startswith((f"{verb}: ", "skipped: "))]
            assert not list(folder.rglob("trace")), what
            yield verb, what, status, said


def section(folder):
    """Return the section as Markdown."""
    made = [TITLE, "", INTRODUCTION]
    for verb, what, status, said in rows(folder):
        made += [f"* **{what}** ({verb}, {status})", "", *(f"      {line}" for line in said), ""]
    return "\n".join(made)


def with_section(page, made):
    """Return the page with its section replaced."""
    before, _, rest = page.partition(TITLE)
    _, heading, after = rest.partition("\n## ")
    return f"{before.rstrip()}\n\n{made.rstrip()}\n" + (f"\n## {after}" if heading else "")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = section(pathlib.Path(folder))
    PAGE.write_text(with_section(PAGE.read_text(), made))
