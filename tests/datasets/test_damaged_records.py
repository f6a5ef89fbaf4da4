"""Prepared data sets that are damaged or mislabelled are named and refused."""

import random
import re
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnn_history import datasets, prepare_data
from cnn_history.datasets import examples, images, skipped
from tests.datasets import test_sources, test_stream

FILE = "squares-train.array_record-00000-of-00001"
TRIES = 80


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return the folder of forty squares."""
    assert test_sources.Squares.name == "squares"  # its definition makes it known
    return prepare_data.prepare("squares", tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def copied(prepared, tmp_path):
    """Return a copy that may be damaged."""
    folder = tmp_path / "squares" / prepared.name
    shutil.copytree(prepared, folder)
    return folder


def squares(folder, split="train"):
    return datasets.source("squares", split, str(folder.parents[1]))


def flipped(data, rng):
    made = bytearray(data)
    made[rng.choice([i for i, byte in enumerate(data) if byte])] ^= 1 << rng.randrange(8)
    return bytes(made)


def truncated(data, rng):
    return data[: rng.randrange(len(data))]


def zeroed(data, rng):
    start = rng.randrange(data.index(bytes(1024)))  # where the records end, and padding begins
    return data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :]


@pytest.mark.parametrize("damage", [flipped, truncated, zeroed])
def test_a_damaged_file_is_named_and_gives_no_other_images(prepared, copied, damage):
    whole, said, rng = squares(prepared).arrays(), set(), random.Random(0)
    data = (prepared / FILE).read_bytes()
    for _ in range(TRIES):
        (copied / FILE).write_bytes(damage(data, rng))
        try:
            found = squares(copied).arrays()
        except (ValueError, images.Unreadable) as error:
            said.add(str(error))
        else:
            for a, b in zip(found, whole, strict=True):
                np.testing.assert_array_equal(a, b)
    assert len(said) > 5
    for message in said:
        assert "damaged" in message
        assert FILE in message or str(copied) in message
        assert "\n" not in message


def test_a_lost_record_is_replaced_in_training_and_stops_an_evaluation(prepared, copied):
    data = bytearray((prepared / FILE).read_bytes())
    data[data.index(b"\x89PNG") + 20] ^= 1
    (copied / FILE).write_bytes(data)
    source = squares(copied)
    said = []
    made = test_stream.steps(source, stop=5, skip=skipped.Skipped(1, said.append))
    assert sorted(np.concatenate([batch["ids"] for batch in made])) == list(range(40))
    (line,) = said
    assert re.match(rf"skipped: squares/train\[\d+\]: '{copied}/{FILE}': record \d+ is dam", line)
    with pytest.raises(skipped.TooManySkipped, match=r"record .* is damaged"):
        test_stream.steps(source, stop=5, skip=skipped.Skipped(0, said.append))
    shown = examples.Streamed(source, 16, "resize", test_stream.fail)
    with pytest.raises(images.Lost, match=r"record .* is damaged"):
        list(shown.batches(8, range(8)))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("label.labels.txt", "dark\nbright", "dark", r"-of-00001': record \d+: the label of squ"
         r"ares/train\[\d+\] is 1; they go from 0 to 0"),
        ("features.json", '"uint8"', '"uint16"', r"squares are uint16 \[20, 20, 3\]; only uint8 "),
        ("features.json", '"3"', '"4"', r"squares are uint8 \[20, 20, 4\]; only uint8 \[h, w, 1\]"),
        ("features.json", '"20"', '"21"', r"record 0: its image is \[20, 20, 3\], and those of "
         r"squares are \[21, 21, 3\]"),
        ("features.json", "{", "", "features.json' is damaged"),
        ("dataset_info.json", "{", "", "dataset_info.json' is damaged"),
        ("dataset_info.json", '"shardLengths"', '"shardLenghts"', "is damaged"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(copied, file, old, new, message):
    path = next(copied.glob(f"*{file}"))
    edit(path, old, new)
    with pytest.raises((ValueError, images.Unreadable), match=message):
        squares(copied).arrays()


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_a_truncated_description_is_named(copied, file):
    data = (copied / file).read_bytes()
    for kept in (0, 1, len(data) // 2, len(data) - 2):
        (copied / file).write_bytes(data[:kept])
        with pytest.raises(ValueError, match=rf"{file}' is damaged"):
            squares(copied)


def test_an_image_that_cannot_be_decoded_is_named(prepared):
    encoded = squares(prepared).encoded(3)
    with pytest.raises(images.Unreadable, match=r"squares/train\[3\] is damaged: no image"):
        images.decode_all([encoded._replace(image=b"GIF99")], 3)


def test_features_that_would_run_code_are_refused(copied, tmp_path, monkeypatch):
    """TFDS imports the module of each class that features.json names."""
    trace = tmp_path / "trace"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    edit(
        copied / "features.json",
        "tensorflow_datasets.core.features.image_feature.Image",
        "evil.Image",
    )
    with pytest.raises(ValueError, match=r"evil\.Image, which is not a TFDS feature"):
        squares(copied)
    assert not trace.exists()
    with pytest.raises(ValueError, match="Unrecognized"):  # so that this shows something
        tfds.builder_from_directory(copied).info.features  # noqa: B018
    assert trace.exists()
