"""Identity of data, and classes matched by name."""

import dataclasses

import numpy as np
import pytest

from cnn_history import datasets
from cnn_history.datasets import Source, identity
from tests.datasets import files


def named(*classes, name="folder"):
    """Return a source of one example of each class, in their order."""
    count = len(classes)
    pixels = np.zeros((count, 2, 2, 1), np.uint8)

    def read(indices):
        return pixels[list(indices)], [int(i) for i in indices]

    return Source(name, "val", classes, (2, 2, 1), count, read)


def test_the_same_data_have_one_identity_wherever_they_lie(tmp_path):
    roots = [files.make_folder(tmp_path / place) for place in ("here", "there")]
    one, other = (identity.of(datasets.source("folder", "train", root)) for root in roots)
    assert one == other
    assert identity.differences(one, other) == ""
    assert one.number == len(datasets.source("folder", "train", roots[0]))


def test_images_of_two_runs_are_compared_use_by_use(tmp_path):
    root = files.make_folder(tmp_path)
    train, test = (
        identity.of(datasets.source("folder", split, root)) for split in ("train", "val")
    )
    digits = identity.of(datasets.source("digits", "test"))
    theirs = {"training": train, "test": test}
    said = identity.beside(theirs, theirs)
    assert said == "the training images are the same; the test images are the same"
    said = identity.beside(theirs, {"training": train._replace(digest="0"), "test": digits})
    assert "the training images of folder differ: the same number of files" in said
    assert "the test images are digits test, not folder val" in said
    assert "the test is not fair" not in said
    said = identity.beside(theirs, {"training": digits, "test": train})
    assert "it was trained on these test images" in said


def test_of_a_part_it_is_that_of_its_examples(tmp_path):
    root = files.make_folder(tmp_path)
    part = identity.of(datasets.source("folder", "train[:4]", root))
    source = datasets.source("folder", "train", root)
    (tmp_path / source.name_of(5)).write_bytes(files.jpeg(seed=99))  # beyond it
    assert identity.of(datasets.source("folder", "train[:4]", root)) == part
    (tmp_path / source.name_of(3)).write_bytes(files.jpeg(seed=99))
    now = identity.of(datasets.source("folder", "train[:4]", root))
    assert "other names, sizes or contents" in identity.differences(part, now)


def test_pixels_are_looked_at_where_there_are_no_files():
    source = datasets.source("digits", "test")
    images, labels = (np.array(part) for part in source.arrays())
    images[7, 0, 0] ^= 1
    other = dataclasses.replace(source, read=lambda ids: (images[list(ids)], labels[list(ids)]))
    assert identity.of(source) != identity.of(other)


@pytest.mark.parametrize(
    ("names", "classes", "unnamed", "places"),
    [
        (("b", "a"), ("a", "b"), False, [1, 0]),
        (("c", "a"), ("a", "b", "c"), False, [2, 0]),
        (("0", "1", "10", "2"), tuple(map(str, range(11))), True, [0, 1, 10, 2]),
        (("1", "2", "3"), ("0", "1", "2"), True, [0, 1, 2]),
    ],
)
def test_classes_are_matched(names, classes, unnamed, places):
    source = named(*names)
    assert identity.places(source, classes, unnamed) == places
    made = identity.matched(source, classes, unnamed)
    assert [made.classes[place] for place in places] == list(names)
    assert len(made.classes) == len(classes)
    assert made.read(range(len(names)))[1] == places


def test_the_order_of_a_data_set_stands_for_names():
    source = named("cat", "dog", name="pets")
    assert identity.places(source, ("0", "1"), unnamed=True) == [0, 1]


@pytest.mark.parametrize(
    ("names", "classes", "unnamed", "said"),
    [
        (("apple", "b"), ("a", "b"), False, "apple"),
        (("a", "b", "c"), ("a", "b"), False, "c of folder"),
        (("crane",), ("crane", "crane"), False, "crane"),
        (("cat", "dog"), ("0", "1"), True, "--classes=FILE"),
        (("1", "01"), ("0", "1"), True, "--classes=FILE"),
        (("7", "9"), ("0", "1", "2"), True, "--classes=FILE"),
    ],
)
def test_what_cannot_be_matched_is_named(names, classes, unnamed, said):
    with pytest.raises(ValueError, match=said):
        identity.places(named(*names), classes, unnamed)
