"""`folder`: images as people keep ImageNet on disk, SPLIT/CLASS/*.JPEG (or .jpg, .png).

The classes are the folders' names, sorted, over all splits, so that one that a split lacks shifts
no other. The examples stand in the order of a hash of their names: the first few hundred are then a
fair sample, as they are in a prepared data set, and not all of one class.
"""

import hashlib
import os
import pathlib

from cnn_history.datasets import images
from cnn_history.datasets.source import Encoded, Source
from cnn_history.lookup import nearest

ENDINGS = (".jpeg", ".jpg", ".png")


def source(split: str, data_dir: str) -> Source:
    """Return the images of a split, RGB, in the sizes that they have.

    Raises ValueError if `data_dir` is no such folder, has no such split, or no images in it.
    """
    if not data_dir:
        raise ValueError("folder needs a data_dir, with SPLIT/CLASS/*.JPEG in it.")
    root = pathlib.Path(data_dir).expanduser()
    if not root.is_dir():
        raise ValueError(f"the folder '{root}' (data_dir) does not exist.")
    splits = _folders(root)
    if split not in splits:
        has = nearest(split, splits) if splits else "it has no folders."
        raise ValueError(f"'{root}' has no split '{split}'; {has}")
    classes = sorted({name for one in splits for name in _folders(root / one)})
    files = [
        (f"{name}/{file}", label)
        for label, name in enumerate(classes)
        for file in _files(root / split / name)
    ]
    if not files:
        raise ValueError(f"'{root / split}' holds no CLASS/*.JPEG (or .jpg, .png).")
    files.sort(key=lambda file: hashlib.blake2b(file[0].encode(), digest_size=8).digest())

    def encoded(index: int) -> Encoded:
        name, label = files[index]
        try:
            return Encoded((root / split / name).read_bytes(), label, f"{split}/{name}")
        except OSError as error:
            raise images.Unreadable(f"{error.filename}: {error.strerror}") from error

    return Source(
        name="folder",
        split=split,
        classes=tuple(classes),
        shape=(None, None, 3),
        size=len(files),
        read=lambda indices: images.read(encoded, indices, channels=3),
        encoded=encoded,
    )


def _folders(path: pathlib.Path) -> list[str]:
    return sorted(e.name for e in os.scandir(path) if e.is_dir() and not e.name.startswith("."))


def _files(path: pathlib.Path) -> list[str]:
    if not path.is_dir():
        return []
    return [
        e.name
        for e in os.scandir(path)
        if e.name.lower().endswith(ENDINGS) and not e.name.startswith(".")
    ]
