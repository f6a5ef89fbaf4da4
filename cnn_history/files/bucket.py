"""A work directory in a bucket, gs://BUCKET/FOLDER.

Checkpoints go there themselves: each has a mark that is written last, in place of the rename of a
folder, which buckets do not have. All else is small, is written in a folder on this machine, and is
copied whole at evaluations, checkpoints and the end; an object of a bucket appears whole or not at
all. Nothing keeps two runs out of one such folder, as the lock of a folder does: a lock in a bucket
would outlive a run that was killed.
"""

import contextlib
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterator

from etils import epath

from cnn_history.errors import UserError, blame

FETCHED = (
    *("config.json", "data.json", "metrics.jsonl", "inputs.npz", "statistics.npz"),
    "summary.json",
)
LOCAL_ONLY = ("lock",)
SCHEME = "gs://"

Folder = pathlib.Path | epath.Path


def path(text: str | os.PathLike) -> Folder:
    """Return the folder of that name, on this machine or in a bucket.

    Raises UserError if a bucket cannot be reached, or what it takes is not installed.
    """
    text = os.fspath(text)
    if "://" not in text:
        return pathlib.Path(text).expanduser()
    if not text.startswith(SCHEME) or not text.removeprefix(SCHEME).strip("/"):
        raise UserError(f"--workdir: '{text}' is neither a folder nor gs://BUCKET/FOLDER.")
    os.environ.setdefault("EPATH_USE_TF", "0")  # else a TensorFlow that happens to be there is used
    try:
        import aiohttp
        import gcsfs
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        raise UserError(f"--workdir: '{text}' needs gcsfs, which EXTRAS=tpu installs.") from None
    logging.getLogger("gcsfs").setLevel(logging.ERROR)  # its guesses about a bucket's kind
    folder = epath.Path(text)
    failures = OSError, aiohttp.ClientError, GoogleAuthError, gcsfs.retry.HttpError
    with blame(f"--workdir: '{text}' cannot be reached", failures):
        folder.exists()
    return folder


def paths(text: str) -> list[Folder]:
    """Return the folders of a comma list; one that is there under the whole name is that alone."""
    if "," in text and "://" not in text and path(text).is_dir():
        return [path(text)]
    return [path(one) for one in text.split(",")]


class Place:
    """Where the files of a run are written, and where they belong.

    Attributes:
      folder: the work directory; checkpoints are written there.
      files: a folder on this machine, for all else; the same where the work directory is on it.
    """

    def __init__(self, folder: Folder, files: pathlib.Path):
        self.folder, self.files = folder, files
        self._copied = {}

    def fetch(self) -> None:
        """Copy what a run goes on from."""
        for name in FETCHED:
            if (self.folder / name).exists():
                (self.files / name).write_bytes((self.folder / name).read_bytes())
                self._copied[self.files / name] = _state(self.files / name)

    def push(self) -> None:
        """Copy to a bucket what has changed since; nothing to do elsewhere."""
        if self.files == self.folder:
            return
        for file in sorted(self.files.rglob("*")):
            state = _state(file)
            if file.is_file() and file.name not in LOCAL_ONLY and self._copied.get(file) != state:
                target = self.folder / file.relative_to(self.files).as_posix()
                target.write_bytes(file.read_bytes())
                self._copied[file] = state

    def remove(self, name: str) -> None:
        """Remove a file, wherever it is."""
        for folder in (self.files, self.folder):
            (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def place(folder: Folder, writes: bool) -> Iterator[Place]:
    """Give the place of a run; at the end, however it comes, what is left is copied if it `writes`.

    A UserError names the bucket, not the folder on this machine.
    """
    if isinstance(folder, pathlib.Path):
        yield Place(folder, folder)
        return
    with tempfile.TemporaryDirectory(prefix="cnn_history_") as name:
        here = Place(folder, pathlib.Path(name))
        here.fetch()
        try:
            yield here
        except UserError as error:
            raise UserError(str(error).replace(name, str(folder))) from error
        finally:
            if writes:
                here.push()


def _state(file: pathlib.Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size
