"""Checksums of a folder's files, to find damage before reading them."""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterator

from etils import epath

NAME = "checksums.json"

Folder = pathlib.Path | epath.Path


def write(folder: Folder) -> None:
    """Write the SHA-256 of every file, after flushing all of them to disk."""
    found = {}
    for path in sorted(_files(folder)):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = _digest(file)
        _sync(path)
    (folder / NAME).write_text(json.dumps(found, indent=2) + "\n")
    _sync(folder / NAME)


def damage(folder: Folder) -> str | None:
    """Return a description of the first file that is missing or changed, None if there is none."""
    path = folder / NAME
    try:
        expected = json.loads(path.read_text())
        listed = [(folder / name, digest) for name, digest in expected.items()]
    except FileNotFoundError:
        return f"'{path}' is missing"
    except (OSError, ValueError, AttributeError) as error:
        return f"'{path}' cannot be read ({error})"
    for path, digest in listed:
        try:
            with path.open("rb") as file:
                if _digest(file) != digest:
                    return f"'{path}' does not match its checksum in {NAME}"
        except FileNotFoundError:
            return f"'{path}', listed in {NAME}, is missing"
        except (OSError, ValueError) as error:  # ValueError: an invalid file name
            return f"'{path}' cannot be read ({error})"
    return None


def _files(folder: Folder) -> Iterator[Folder]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _sync(path: Folder) -> None:
    if isinstance(path, pathlib.Path):  # writes to a bucket are final
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def _digest(file) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()
