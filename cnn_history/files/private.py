"""Folders that only their owner can access, and that have no links to the outside."""

import os
import pathlib
import stat

OWNER_ONLY = 0o700
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make(folder: pathlib.Path) -> None:
    """Create a folder and its missing parents, accessible only to the owner.

    An existing folder keeps its mode, so `chmod` can share it. Raises OSError.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=OWNER_ONLY, exist_ok=True)
    folder.mkdir(exist_ok=True)  # fails if a file has this name


def objection(folder: pathlib.Path) -> str:
    """Return the reason why other users may have written to a folder; empty if they cannot.

    A folder that others can only read is made private.
    """
    status = folder.stat()
    if status.st_uid != os.getuid():
        return f"'{folder}' belongs to another user"
    if status.st_mode & OTHERS_WRITE:
        return f"others may write into '{folder}'; remove it, or 'chmod 700' what you trust"
    if stat.S_IMODE(status.st_mode) != OWNER_ONLY:
        folder.chmod(OWNER_ONLY)
    return ""


def leading_out(folder: pathlib.Path) -> pathlib.Path | None:
    """Return a symbolic link in a folder whose target is outside it, or None."""
    inside = os.path.realpath(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if os.path.commonpath([inside, target]) != inside:
                    return pathlib.Path(path)
    return None
