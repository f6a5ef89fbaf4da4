import io
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from sklearn import datasets as scikit
from sklearn import model_selection

from cnn_history import datasets, prepare_data
from cnn_history.datasets import examples, tfds_images
from cnn_history.datasets import images as image_files
from cnn_history.errors import UserError
from tests.datasets import files


class Squares(tfds.core.GeneratorBasedBuilder):
    """Forty grey squares, whose label is how bright they are; 20x20 PNG files."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(20, 20, 3)), "label": ("dark", "bright")}
        features["label"] = tfds.features.ClassLabel(names=features["label"])
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(40), "test": self._generate_examples(7)}

    def _generate_examples(self, count):
        for i in range(count):
            file = io.BytesIO()
            Image.new("RGB", (20, 20), (i, i, 5 * i)).save(file, "png")
            file.seek(0)
            yield i, {"image": file, "label": int(i >= 20)}


class Snapshots(tfds.core.GeneratorBasedBuilder):
    """Nine JPEG files of sizes of their own, as those of imagenet2012 and imagenette are."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "file_name": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["ant", "bee"]),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(9)}

    def _generate_examples(self, count):
        for i in range(count):
            file = io.BytesIO(files.jpeg(30 + i, 50 - i, seed=i))
            yield i, {"image": file, "file_name": f"{i}.JPEG", "label": i % 2}


class Fetched(Squares):
    """Squares whose archive one has to fetch by hand, as imagenet2012's."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "squares.tar is at example.org."

    def _split_generators(self, dl_manager):
        assert dl_manager.manual_dir
        return super()._split_generators(dl_manager)


def test_digits_are_scikit_learns_and_split_by_it():
    images, labels = scikit.load_digits(return_X_y=True)
    images = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    chosen = model_selection.train_test_split(
        np.arange(len(labels)), test_size=360, random_state=0, stratify=labels
    )
    for split, indices in zip(("train", "test"), chosen, strict=True):
        found, classes = datasets.source("digits", split).read(range(len(indices)))
        np.testing.assert_array_equal(found, images[indices])
        np.testing.assert_array_equal(classes, labels[indices])


def test_digits_are_split_stratified_and_apart():
    train, test = (datasets.source("digits", split) for split in ("train", "test"))
    assert (len(train), len(test), train.shape, len(train.classes)) == (1437, 360, (8, 8, 1), 10)
    counts = [np.bincount(source.arrays()[1], minlength=10) for source in (train, test)]
    np.testing.assert_allclose(counts[0] / 1437, counts[1] / 360, atol=0.002)
    images = [{image.tobytes() for image in source.arrays()[0]} for source in (train, test)]
    assert not images[0] & images[1]


def test_a_prepared_data_set_is_read_by_index(tmp_path):
    folder = prepare_data.prepare("squares", tmp_path)
    assert json.loads((folder / "dataset_info.json").read_text())["fileFormat"] == "array_record"
    source = datasets.source("squares", "train[10:30]", str(tmp_path))
    images, labels = source.arrays()
    assert (source.classes, source.shape, len(source)) == (("dark", "bright"), (20, 20, 3), 20)
    order = [int(image[0, 0, 0]) for image in images]
    assert [int(image[0, 0, 2]) for image in images] == [5 * i for i in order]
    assert labels.tolist() == [int(i >= 20) for i in order]
    file = source.encoded(3)
    assert (file.label, file.name) == (labels[3], "squares/train[13]")
    np.testing.assert_array_equal(image_files.decode(file.image, 3), images[3])
    everything = datasets.source("squares", "train", str(tmp_path)).arrays()[0]
    np.testing.assert_array_equal(everything[10:30], images)


def test_archives_that_are_not_there_are_asked_for(tmp_path):
    said = f"fetched could not be prepared in {tmp_path}: .*manual does not exist.*example.org"
    with pytest.raises(UserError, match=re.compile(said, re.S)):
        prepare_data.prepare("fetched", tmp_path)


def test_prepared_photos_of_varying_size_are_streamed(tmp_path):
    prepare_data.prepare("snapshots", tmp_path)
    source = datasets.source("snapshots", "train[2:]", str(tmp_path))
    assert (source.shape, len(source)) == ((None, None, 3), 7)
    shown = examples.examples(source, 24, "square", print)
    (batch,) = shown.batches(7, range(7))
    assert batch["image"].shape == (7, 24, 24, 3)
    for i, (pixels, label) in enumerate(zip(*source.read(range(7)), strict=True)):
        file = source.encoded(i)
        number = int(file.name.removesuffix(".JPEG"))
        assert (pixels.shape, label) == ((30 + number, 50 - number, 3), number % 2)
        assert batch["label"][i] == file.label == label
        assert abs(batch["image"][i].mean() - pixels.mean()) < 12  # the same photo


def test_the_newest_version_is_taken(tmp_path):
    for version in ("1.9.0", "1.10.0"):
        (tmp_path / "squares" / version).mkdir(parents=True)
        info = tmp_path / "squares" / version / "dataset_info.json"
        info.write_text('{"fileFormat": "array_record"}')
    assert tfds_images.prepared("squares", str(tmp_path)).name == "1.10.0"


def test_what_is_wrong_with_a_data_set_is_said(tmp_path):
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").write_text('{"fileFormat": "tfrecord"}')
    cases = {
        ("cifr10", "train"): "did you mean 'cifar10'",
        ("cifar100", "train"): "prepare_data --dataset=cifar100 --data_dir=" + str(tmp_path),
        ("cifar10", "train"): "as tfrecord, not as array_record",
        ("digits", "val"): "no split 'val'; use train or test",
        ("digits", "train[5:5]"): "is empty",
        ("digits", "train[1"): "is not a split",
    }
    for (name, split), message in cases.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            datasets.source(name, split, str(tmp_path))


def test_real_mnist_and_cifar10(data_dir):
    # The published means over all training images: 33.32 grey levels, and .4914, .4822, .4465.
    images, labels = datasets.source("mnist", "train[:2000]", data_dir).arrays()
    assert (images.shape, labels.min(), labels.max()) == ((2000, 28, 28, 1), 0, 9)
    assert images.mean() == pytest.approx(33.3, abs=1)
    source = datasets.source("cifar10", "train[:2000]", data_dir)
    images, _ = source.arrays()
    assert source.classes[0] == "airplane"
    np.testing.assert_allclose(images.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.01)


def test_no_pickle_is_read():
    for path in (pathlib.Path(datasets.__file__).parents[1]).rglob("*.py"):
        assert "allow_pickle=True" not in path.read_text()
