"""A network sees the same pixels of a test photo from files, prepared data and arrays."""

import io

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from cnn_history import datasets, prepare_data
from cnn_history.datasets import adapters, augment, examples, prepare
from tests.datasets import files

SIZE, MARGIN = 28, 32
SIDES = [(28, 28), (9, 31), (70, 20), (32, 32), (40, 91)]


class Strips(tfds.core.GeneratorBasedBuilder):
    """Three photos of one size, which is the variant's name."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = tuple(tfds.core.BuilderConfig(name=f"{h}x{w}") for h, w in SIDES)

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(*self._side(), 3)),
            "label": tfds.features.ClassLabel(names=["0", "1", "2"]),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"val": self._generate_examples()}

    def _generate_examples(self):
        for i, photo in enumerate(noise(*self._side())):
            yield i, {"image": io.BytesIO(files.encode(photo, "png")), "label": i}

    def _side(self):
        return tuple(map(int, self.builder_config.name.split("x")))


def noise(h, w):
    """Return photos of which every pixel matters."""
    return np.random.default_rng(h * w).integers(0, 256, (3, h, w, 3)).astype(np.uint8)


def by_pillow(photo, adapter):
    """Scale and cut a photo as the adapters' docstrings say."""
    h, w, _ = photo.shape
    shorter = {"resize_crop": MARGIN, "square": SIZE}.get(adapter)
    side = {"resize": SIZE, "warp_crop": MARGIN}.get(adapter)
    rows, columns = (side or shorter * length // min(h, w) for length in (h, w))
    whole = np.asarray(Image.fromarray(photo).resize((columns, rows), Image.Resampling.BILINEAR))
    top, left = (round((length - SIZE) / 2) for length in (rows, columns))
    return whole[top : top + SIZE, left : left + SIZE]


def through_a_loader(source, preprocessing):
    """Return the labels of a source's photos, and what a network sees when they are streamed."""
    chosen = examples.Streamed(source, SIZE, preprocessing.adapter, print)
    (batch,) = chosen.batches(3, range(3))
    return batch["label"], jax.jit(preprocessing.after_a_loader())(batch["image"])


def kept_whole(source, preprocessing):
    """Likewise where they are kept as pixels, and looked at by a compiled program."""
    (batch,) = examples.Whole(source).batches(3, range(3))
    return batch["label"], jax.jit(preprocessing)(batch["image"])


def in_training(source, preprocessing):
    """Likewise in a training step, without augmentation."""
    images, labels = source.arrays()
    way = prepare.Images(preprocessing, augment.Augmentation())
    keys = prepare.Keys(*jax.random.split(jax.random.key(0), 3))
    return labels, jax.jit(way.training)(keys, images, np.arange(3), np.zeros(3, int))


def by_load(source, preprocessing):
    """Likewise by the third of what `cnn_history.load` returns."""
    images, labels = source.arrays()
    return labels, preprocessing(images)


@pytest.mark.parametrize("side", SIDES)
def test_equal_however_photos_come(tmp_path, side):
    photos = noise(*side)
    for i, photo in enumerate(photos):
        (tmp_path / "val" / str(i)).mkdir(parents=True)
        (tmp_path / "val" / str(i) / "0.png").write_bytes(files.encode(photo, "png"))
    variant = "strips/{}x{}".format(*side)
    prepare_data.prepare(variant, tmp_path)
    folder = datasets.source("folder", "val", str(tmp_path))
    prepared = datasets.source(variant, "val", str(tmp_path))
    for adapter in adapters.OF_ANY_SIZE:
        wanted = np.stack([by_pillow(photo, adapter) for photo in photos])
        preprocessing = prepare.Preprocessing(SIZE, adapter, np.float32(0), np.float32(1))
        ways = {
            "folder": through_a_loader(folder, preprocessing),
            "TFDS, streamed": through_a_loader(prepared, preprocessing),
            "TFDS, resident": kept_whole(prepared, preprocessing),
            "training": in_training(prepared, preprocessing),
            "load": by_load(prepared, preprocessing),
        }
        for name, (labels, seen) in ways.items():
            assert sorted(labels) == [0, 1, 2]
            levels = 255 * np.asarray(seen, np.float64)
            said = f"{name}, {adapter}"
            np.testing.assert_allclose(levels, wanted[labels], atol=1e-4, err_msg=said)
