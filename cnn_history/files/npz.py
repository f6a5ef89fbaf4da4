"""NumPy's .npz files: written atomically, and read without pickles or zip bombs."""

import pathlib
import zipfile
from typing import Any

import numpy as np

LARGEST = 1 << 30  # bytes, most that a file may unpack to; true files have a few MB


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file, by name.

    Raises FileNotFoundError if the file is missing, and ValueError if it is damaged, would unpack
    to more than LARGEST, or holds Python objects, which would run code.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with path.open("rb") as opened, zipfile.ZipFile(opened) as file:
            size = sum(member.file_size for member in file.infolist())
        if size > LARGEST:
            raise ValueError(f"it would unpack to {size:,} bytes")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = dict(file)
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"'{name}' is not an array")
        return arrays
    except Exception as error:  # a hostile file can make the readers raise anything
        raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from error


def write(path: pathlib.Path, **arrays: Any) -> None:
    """Write a file atomically: readers see the old one or the new one, never a part."""
    unfinished = path.with_name("unfinished.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(path)
