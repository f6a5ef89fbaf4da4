"""Streamed examples: their order and number, and replacements for damaged ones."""

import functools
import threading

import jax
import numpy as np
import pytest

from cnn_history import datasets
from cnn_history.datasets import adapters, crops, examples, images, skipped, stream
from cnn_history.datasets.order import Order
from tests.datasets import files

SIZE, BATCH = 16, 8
CROP = functools.partial(crops.random_position, scales=(20, 24))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return 27 small photos, so that an epoch ends within a batch."""
    root = files.make_folder(tmp_path_factory.mktemp("folder"), train=27)
    return datasets.source("folder", "train", root)


def fail(name, why):
    raise AssertionError(f"{name}: {why}")


def steps(source, start=0, stop=8, rows=range(BATCH), skip=fail, seed=0):
    """Return what the steps get, each as a dict of arrays."""
    order = Order(jax.random.key(0), len(source))
    made = stream.training(source, order, CROP, SIZE, seed, BATCH, rows, start, stop, skip)
    return list(made)


def test_each_example_once_an_epoch_and_cut_anew_in_each(source):
    made = steps(source)
    ids = np.concatenate([batch["ids"] for batch in made])
    epochs = np.concatenate([batch["epochs"] for batch in made])
    assert sorted(ids[:27]) == sorted(ids[27:54]) == list(range(27))
    assert epochs.tolist() == [0] * 27 + [1] * 27 + [2] * 10
    images = np.concatenate([batch["image"] for batch in made])
    labels = np.concatenate([batch["label"] for batch in made])
    assert (images.shape, images.dtype) == ((64, SIZE, SIZE, 3), np.uint8)
    assert labels.tolist() == [source.encoded(i).label for i in ids]
    for position in (0, 30):
        draws = crops.draws(0, epochs[position], ids[position])
        data = source.encoded(ids[position]).image
        wanted = crops.decode(data, 3, CROP, draws, SIZE)
        np.testing.assert_array_equal(images[position], wanted)
    again = np.flatnonzero(ids[27:54] == ids[0])[0] + 27
    assert not np.array_equal(images[0], images[again])
    other = steps(source, stop=1, seed=1)[0]
    assert not np.array_equal(other["image"], made[0]["image"])


def test_any_process_and_any_resume_sees_the_same(source):
    """Of 1, 2 and 4 processes, begun at every step: the same rows of the same batches."""
    whole = steps(source)
    for processes in (1, 2, 4):
        each = BATCH // processes
        for start in range(8) if processes == 1 else (0, 5):
            parts = [
                steps(source, start, rows=range(p * each, (p + 1) * each)) for p in range(processes)
            ]
            for step, batches in enumerate(zip(*parts, strict=True), start):
                for name in whole[step]:
                    together = np.concatenate([batch[name] for batch in batches])
                    np.testing.assert_array_equal(together, whole[step][name])


def test_evaluation_is_every_example_once_whatever_the_batch(source):
    photos = [images.decode(source.encoded(i).image, 3) for i in range(27)]
    wanted = [adapters.shown(photo, 20, "square") for photo in photos]
    streamed = examples.examples(source, 20, "square", fail)
    for batch_size in (5, 27, 40):
        made = list(streamed.batches(batch_size, range(batch_size)))
        assert {batch["image"].shape[0] for batch in made} == {batch_size}
        np.testing.assert_array_equal(np.concatenate([b["image"] for b in made])[:27], wanted)
    halves = [list(streamed.batches(10, rows)) for rows in (range(5), range(5, 10))]
    together = [np.concatenate([a["image"], b["image"]]) for a, b in zip(*halves, strict=True)]
    np.testing.assert_array_equal(np.concatenate(together)[:27], wanted)
    np.testing.assert_array_equal(streamed[7], wanted[7])


def test_data_kept_whole_give_the_same_batches():
    whole = examples.examples(datasets.source("digits", "test[:27]"), 8, "resize", fail)
    made = [b["label"] for b in whole.batches(10, range(10))]
    np.testing.assert_array_equal(np.concatenate(made)[:27], whole.labels)
    assert [len(labels) for labels in made] == [10, 10, 10]


def test_damaged_images_are_named_once_and_replaced(tmp_path):
    root = files.make_folder(tmp_path, train=12, val=3)
    names = [f"train/{('ant', 'bee')[i % 2]}/{i}.JPEG" for i in range(len(files.BAD))]
    for name, (data, _) in zip(names, files.BAD.values(), strict=True):
        (tmp_path / name).write_bytes(data)
    source = datasets.source("folder", "train", root)
    said = []
    skip = skipped.Skipped(len(files.BAD), said.append)
    made = steps(source, stop=6, skip=skip)
    assert len(skip) == len(said) == len(files.BAD)  # four epochs; each once
    for name, (_, why) in zip(names, files.BAD.values(), strict=True):
        (line,) = (line for line in said if line.startswith(f"skipped: {name}: "))
        assert why in line
    # The next good one stands in, with its label.
    good = [source.encoded(i).name not in names for i in range(12)]
    for batch in made:
        for index, label in zip(batch["ids"], batch["label"], strict=True):
            stands = next(i % 12 for i in range(index, index + 12) if good[i % 12])
            assert label == source.encoded(stands).label
    # In evaluation it is black, and not counted.
    shown = examples.examples(source, SIZE, "square", skip)
    (batch,) = shown.batches(12, range(12))
    assert [bool(image.any()) for image in batch["image"]] == good
    wanted = [source.encoded(i).label if good[i] else examples.UNCOUNTED for i in range(12)]
    assert batch["label"].tolist() == wanted


def test_one_too_many_stops_and_no_thread_is_left(tmp_path):
    root = files.make_folder(tmp_path, train=12)
    for i in (3, 4):
        (tmp_path / "train" / ("ant", "bee")[i % 2] / f"{i}.JPEG").write_bytes(b"")
    source = datasets.source("folder", "train", root)
    message = (
        r"^config.skipped_images: more than 1 images cannot be decoded, now train/.*\.JPEG: an "
    )
    with pytest.raises(skipped.TooManySkipped, match=message):
        steps(source, skip=skipped.Skipped(1, print))
    begun = stream.training(
        source,
        Order(jax.random.key(0), 12),
        CROP,
        SIZE,
        0,
        BATCH,
        range(BATCH),
        0,
        99,
        lambda *_: 0,
    )
    next(begun)
    begun.close()
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):
            thread.join(10)
            assert not thread.is_alive()


def test_statistics_of_a_stream_are_those_of_its_images(source):
    found = examples.measure(source, SIZE, "square", fail)
    images = np.stack([examples.examples(source, SIZE, "square", fail)[i] for i in range(27)])
    np.testing.assert_allclose(found.mean, images.mean(0) / 255, atol=1e-6)
    assert found.examples == 27
