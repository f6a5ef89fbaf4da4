import re

import numpy as np
import pytest
from PIL import Image

from cnn_history import datasets
from cnn_history.datasets import folder, images
from tests.datasets import files


def test_a_folder_is_read_by_index(tmp_path):
    root = files.make_folder(tmp_path, train=24, val=3, classes=("bee", "ant", "wasp"))
    (tmp_path / "train" / "bee" / "notes.txt").write_text("no image")
    (tmp_path / "train" / "bee" / "._0.JPEG").write_text("what a Mac leaves")
    (tmp_path / "val" / "zebra").mkdir()  # a class of which train has none
    (tmp_path / "val" / "zebra" / "3.png").write_bytes(files.encode(files.photo(), "png"))
    (tmp_path / ".cache").mkdir()
    train, val = (datasets.source("folder", split, root) for split in ("train", "val"))
    assert train.classes == ("ant", "bee", "wasp")
    assert val.classes == ("ant", "bee", "wasp", "zebra")
    assert train.left_out.endswith("(not images of a class): 1, such as bee/notes.txt")
    assert (len(train), len(val), train.shape) == (24, 4, (None, None, 3))
    names = [train.encoded(i).name for i in range(24)]
    assert sorted(names) == sorted(
        f"train/{('bee', 'ant', 'wasp')[i % 3]}/{i}.JPEG" for i in range(24)
    )
    for image, label, i in zip(*train.read([5, 0]), (5, 0), strict=True):
        _, folder, file = names[i].split("/")
        assert train.classes[label] == folder
        np.testing.assert_allclose(image, files.photo(seed=int(file.split(".")[0])), atol=30)
    assert len({label for _, label, _ in map(train.encoded, range(8))}) == 3  # a fair sample


def test_every_kind_is_read_whatever_the_case_of_its_ending(tmp_path):
    """The pixels are Pillow's; JPEG by another decoder, within a grey level."""
    kinds = {"jpg": "jpeg", "jpe": "jpeg", "tif": "tiff"}
    for k, ending in enumerate(folder.ENDINGS):
        name = ending[1:]
        photo = files.encode(files.photo(seed=k), kinds.get(name, name))
        for spelled in (name, name.upper(), name.title()):
            path = tmp_path / "train" / f"kind{k % 3}" / f"{k}{spelled}.{spelled}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo)
    source = datasets.source("folder", "train", str(tmp_path))
    assert (len(source), source.left_out) == (3 * len(folder.ENDINGS), "")
    for i, (image, label) in enumerate(zip(*source.read(range(len(source))), strict=True)):
        path = tmp_path / source.name_of(i)
        expected = np.asarray(Image.open(path).convert("RGB"))
        assert source.classes[label] == path.parent.name
        np.testing.assert_allclose(image.astype(int), expected, atol=1, err_msg=path.name)


def test_a_part_of_a_folder_is_the_same_examples(tmp_path):
    root = files.make_folder(tmp_path)
    whole, part = (datasets.source("folder", split, root) for split in ("train", "train[4:9]"))
    assert [part.encoded(i).name for i in range(5)] == [whole.encoded(i).name for i in range(4, 9)]
    assert part.read([2])[1] == whole.read([6])[1]


def test_a_damaged_file_is_named(tmp_path):
    root = files.make_folder(tmp_path, train=2)
    (tmp_path / "train" / "bee" / "1.JPEG").write_bytes(b"")
    with pytest.raises(images.Unreadable, match=r"^train/bee/1.JPEG is damaged: an empty file$"):
        datasets.source("folder", "train", root).read(range(2))


def test_a_file_that_went_away_is_named(tmp_path):
    source = datasets.source("folder", "train", files.make_folder(tmp_path, train=1))
    (tmp_path / "train" / "ant" / "0.JPEG").unlink()
    with pytest.raises(images.Unreadable, match=r"train/ant/0.JPEG: No such file"):
        source.encoded(0)


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    root = files.make_folder(tmp_path / "good")
    cases = {
        ("train", ""): "folder needs a data_dir",
        ("train", f"{tmp_path}/none"): "(data_dir) does not exist",
        ("train", f"{tmp_path}/empty"): "has no split 'train'; it has no folders",
        ("trian", root): "did you mean 'train'?",
        ("good", str(tmp_path)): "holds no CLASS/*.JPEG",
    }
    for (split, data_dir), message in cases.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            datasets.source("folder", split, data_dir)
