"""Folders that are for their owner alone, and that lead nowhere else."""

import os
import pathlib
import stat

OWNER_ONLY = 0o700
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make(folder: pathlib.Path) -> None:
    """Make a folder, and those above it that are missing, for the owner alone.

    One that is there keeps its mode: who wants to share it says so with chmod. Raises OSError.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=OWNER_ONLY, exist_ok=True)
    folder.mkdir(exist_ok=True)  # so that a file in its place is an error


def objection(folder: pathlib.Path) -> str:
    """Return why others could have put something into a folder of ours; empty if they could not.

    One that others can only read is made private on the way.
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
    """Return a symbolic link in a folder that leads to something outside it, or None."""
    inside = os.path.realpath(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if os.path.commonpath([inside, target]) != inside:
                    return pathlib.Path(path)
    return None
