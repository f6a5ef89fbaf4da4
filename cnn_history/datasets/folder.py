"""`folder`: images in the usual ImageNet layout, SPLIT/CLASS/*.JPEG (or another image format).

The classes are the sorted names of the split's folders; other splits are ignored. The examples are
ordered by a hash of their names, so the first few hundred are a fair sample of all classes, as in a
prepared data set. Everything else in a split, including folders inside a class, is left out and
named by `Source.left_out`.
"""

import hashlib
import os
import pathlib
from collections.abc import Iterator

from cnn_history.datasets import images
from cnn_history.datasets.source import Encoded, Source
from cnn_history.lookup import nearest

# Endings of the formats that `images` decodes.
ENDINGS = (".jpeg", ".jpg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def source(split: str, data_dir: str) -> Source:
    """Return the images of a split, RGB, each at its own size.

    Raises ValueError if `data_dir` or the split does not exist or holds no images; if a class's
    folder is empty, as after a failed copy; and if an entry is named like an image but is not a
    file. Unprintable names are shown as Python escapes them.
    """
    if not data_dir:
        raise ValueError("folder needs a data_dir, with SPLIT/CLASS/*.JPEG in it.")
    root = pathlib.Path(os.path.expanduser(data_dir))
    if not os.path.isdir(root):
        raise ValueError(f"folder '{root}' (data_dir) does not exist.")
    splits = _folders(root)
    if split not in splits:
        has = nearest(split, splits) if splits else "it has no folders."
        raise ValueError(f"'{root}' has no split '{split}'; {has}")
    found, left_out = {}, _beside(root / split)
    for name in _folders(root / split):
        found[name], others = _files(root / split / name)
        left_out += [f"{name}/{other}" for other in others]
    if not any(found.values()):
        raise ValueError(f"'{root / split}' holds no CLASS/*.JPEG (or .jpg, .png, ...).")
    for name, names in found.items():
        if not names:
            raise ValueError(
                f"'{root / split}/{shown(name)}' is empty: no *.JPEG (or .jpg, .png, ...)."
            )
    files = [(f"{name}/{file}", label) for label, name in enumerate(found) for file in found[name]]
    files.sort(key=lambda file: hashlib.blake2b(os.fsencode(file[0]), digest_size=8).digest())

    def encoded(index: int) -> Encoded:
        name, label = files[index]
        return Encoded(_read(os.path.join(root, split, name)), label, name_of(index))

    def name_of(index: int) -> str:
        return shown(f"{split}/{files[index][0]}")

    def stamps(start: int, stop: int) -> Iterator[str]:
        for name, _ in files[start:stop]:
            yield f"{name} {_size(os.path.join(root, split, name))}"

    return Source(
        name="folder",
        split=split,
        classes=tuple(map(shown, found)),
        shape=(None, None, 3),
        size=len(files),
        read=lambda indices: images.decode_all(map(encoded, indices), channels=3),
        encoded=encoded,
        name_of=name_of,
        stamps=stamps,
        left_out=_words(left_out, root / split),
    )


def photos(path: pathlib.Path, channels: int, classes: tuple[str, ...]) -> Source:
    """Return unlabelled photos: one file, or all in a folder and its subfolders, sorted by name.

    Raises ValueError if there are none.
    """
    if path.is_file():
        root, names, others = path.parent, [path.name], []
    elif path.is_dir():
        found = (one.relative_to(path) for one in sorted(path.rglob("*")) if one.is_file())
        seen = [str(one) for one in found if not any(part.startswith(".") for part in one.parts)]
        names = [name for name in seen if name.lower().endswith(ENDINGS)]
        root, others = path, [name for name in seen if not name.lower().endswith(ENDINGS)]
    else:
        raise ValueError(f"'{shown(path)}' is neither a folder nor a file.")
    if not names:
        raise ValueError(f"'{shown(path)}' holds no *.JPEG (or .jpg, .png, ...).")

    def encoded(index: int) -> Encoded:
        return Encoded(_read(os.path.join(root, names[index])), 0, shown(names[index]))

    return Source(
        name="photos",
        split="",
        classes=classes,
        shape=(None, None, channels),
        size=len(names),
        read=lambda indices: images.decode_all(map(encoded, indices), channels),
        encoded=encoded,
        name_of=lambda index: shown(names[index]),
        left_out=_words(others, root),
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError as error:
        raise images.Unreadable(f"{shown(error.filename)}: {error.strerror}") from error


def _words(left_out: list[str], folder: pathlib.Path) -> str:
    if not left_out:
        return ""
    count, one = len(left_out), shown(left_out[0])
    return f"left out of '{folder}' (not images of a class): {count}, such as {one}"


def _size(path: str) -> int:
    """Return a file's size in bytes; -1 if it has vanished since it was listed."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def shown(name: str | pathlib.Path) -> str:
    """Return a name that fits on one line of a message, with escapes for unprintable characters."""
    name = str(name)
    return name if name.isprintable() else ascii(name)


def _folders(path: pathlib.Path) -> list[str]:
    return sorted(entry.name for entry in _entries(path) if os.path.isdir(entry))


def _files(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Return the images in a class's folder, and its other entries."""
    found, others = [], []
    for entry in _entries(path):
        (found if entry.name.lower().endswith(ENDINGS) else others).append(entry)
    for entry in found:
        if not (entry.is_file(follow_symlinks=False) or os.path.isfile(entry)):
            raise ValueError(f"'{shown(entry.path)}' is neither a file nor a link to one.")
    return [entry.name for entry in found], sorted(entry.name for entry in others)


def _beside(path: pathlib.Path) -> list[str]:
    """Return the entries of a split's folder that are not classes."""
    return sorted(entry.name for entry in _entries(path) if not os.path.isdir(entry))


def _entries(path: pathlib.Path) -> list[os.DirEntry]:
    """Return the entries of a folder, without hidden ones."""
    try:
        return [entry for entry in os.scandir(path) if not entry.name.startswith(".")]
    except OSError as error:
        raise ValueError(f"'{shown(path)}' cannot be read: {error.strerror}.") from error
