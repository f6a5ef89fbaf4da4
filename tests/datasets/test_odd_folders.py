"""Odd folders of photos are read, or refused by name before anything is read."""

import os
import re

import numpy as np
import pytest

from cnn_history import datasets
from cnn_history.datasets import images
from tests.datasets import files

ODD = [
    "two words.JPEG",
    "new\nline.JPEG",
    "tab\tand\x1b[31mred.JPEG",
    "quote'\"`.JPEG",
    "[bold]markup[red].JPEG",
    "-rf.JPEG",
    "%s{0}$HOME.JPEG",
    "Größe и 図.JPEG",
    "\u202ereversed.JPEG",
    os.fsdecode(b"not utf-8 \xff\xfe.JPEG"),
    "x" * 250 + ".JPEG",
]


@pytest.fixture
def root(tmp_path):
    """Return the folder of six photos in two classes."""
    files.make_folder(tmp_path, train=6, val=2)
    return tmp_path


def source(root):
    return datasets.source("folder", "train", str(root))


def empty(root):
    (root / "train" / "wasp").mkdir()
    return "train/wasp' is empty: no *.JPEG (or .jpg, .png, ...)."


def a_folder_called_image(root):
    (root / "train" / "ant" / "x.JPEG").mkdir()
    return "train/ant/x.JPEG' is neither a file nor a link to one."


def a_link_to_nothing(root):
    (root / "train" / "ant" / "x.JPEG").symlink_to(root / "gone.JPEG")
    return "train/ant/x.JPEG' is neither a file nor a link to one."


def a_link_to_itself(root):
    (root / "train" / "ant" / "x.JPEG").symlink_to("x.JPEG")
    return "train/ant/x.JPEG' is neither a file nor a link to one."


def a_class_that_links_to_its_parent(root):
    (root / "train" / "loop").symlink_to(root / "train")
    return "train/loop' is empty: no *.JPEG"


def a_split_that_links_to_itself(root):
    (root / "other").symlink_to("other")
    return None


def a_class_that_links_to_itself(root):
    (root / "train" / "loop").symlink_to("loop")
    return None


def a_pipe(root):
    os.mkfifo(root / "train" / "ant" / "x.JPEG")  # to read it would wait for ever
    return "train/ant/x.JPEG' is neither a file nor a link to one."


def a_class_that_is_a_file(root):
    (root / "train" / "readme").write_text("no class")
    return None


CASES = [
    empty,
    a_folder_called_image,
    a_link_to_nothing,
    a_link_to_itself,
    a_class_that_links_to_its_parent,
    a_split_that_links_to_itself,
    a_class_that_links_to_itself,
    a_pipe,
    a_class_that_is_a_file,
]


@pytest.mark.parametrize("make", CASES)
def test_what_cannot_be_read_is_refused_by_name(root, make):
    message = make(root)
    if message is None:
        assert len(source(root)) == 6
        return
    with pytest.raises(ValueError, match=re.escape(message)):
        source(root)


def test_links_to_photos_are_photos(root):
    (root / "train" / "ant" / "linked.png").symlink_to(root / "val" / "ant" / "0.JPEG")
    (root / "train" / "wasp").symlink_to(root / "val" / "bee")
    linked = source(root)
    assert (len(linked), linked.classes) == (8, ("ant", "bee", "wasp"))
    assert len(linked.read(range(8))[0]) == 8


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_read_and_shown_in_one_line(root, name):
    (root / "train" / "ant" / name).write_bytes(files.jpeg(seed=9))
    odd_class = root / "train" / name
    odd_class.mkdir()
    (odd_class / "0.JPEG").write_bytes(b"no image")
    made = source(root)
    assert len(made) == 8
    shown = []
    for i in range(8):
        example = made.encoded(i)
        shown.append(example.name)
        try:
            images.decode(example.image, 3)
        except images.Damaged:
            assert made.classes[example.label] in example.name or not name.isprintable()
    assert all(text.isprintable() and text.encode() for text in [*shown, *made.classes])
    order = [i for i in range(8) if shown[i].count("ant/")]
    np.testing.assert_array_equal([made.encoded(i).label for i in order], made.classes.index("ant"))


def test_a_path_that_no_disk_takes_is_refused(root):
    for odd in ("x" * 5000, "a\0b", "~nobody-of-that-name/x", os.fsdecode(b"\xff")):
        with pytest.raises(ValueError, match=r"\(data_dir\) does not exist"):
            datasets.source("folder", "train", odd)
