"""Work directories in a bucket, gs://BUCKET/FOLDER.

Checkpoints are written to the bucket directly. Buckets cannot rename folders, so a mark, written
last, completes each checkpoint. All other files are small. They are written to a local folder and
copied at evaluations, at checkpoints and at the end; an object appears in a bucket whole or not at
all. There is no lock against a second run, because a lock in a bucket would outlive a killed run.
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
    """Return the local folder or the folder in a bucket that `text` names.

    Raises UserError if the bucket cannot be reached, or gcsfs is not installed.
    """
    text = os.fspath(text)
    if "://" not in text:
        return pathlib.Path(text).expanduser()
    if not text.startswith(SCHEME) or not text.removeprefix(SCHEME).strip("/"):
        raise UserError(f"--workdir: '{text}' is neither a folder nor gs://BUCKET/FOLDER.")
    os.environ.setdefault("EPATH_USE_TF", "0")  # do not use an installed TensorFlow
    try:
        import aiohttp
        import gcsfs
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        raise UserError(f"--workdir: '{text}' needs gcsfs, which EXTRAS=tpu installs.") from None
    logging.getLogger("gcsfs").setLevel(logging.ERROR)  # warnings about guessed types of buckets
    folder = epath.Path(text)
    failures = OSError, aiohttp.ClientError, GoogleAuthError, gcsfs.retry.HttpError
    with blame(f"--workdir: '{text}' cannot be reached", failures):
        folder.exists()
    return folder


def paths(text: str) -> list[Folder]:
    """Return the folders of a comma list; an existing folder with that name is taken as one."""
    if "," in text and "://" not in text and path(text).is_dir():
        return [path(text)]
    return [path(one) for one in text.split(",")]


class Place:
    """The folders to which a run writes its files.

    Attributes:
      folder: the work directory, for checkpoints.
      files: a local folder for all other files; the same as `folder` unless that is in a bucket.
    """

    def __init__(self, folder: Folder, files: pathlib.Path):
        self.folder, self.files = folder, files
        self._copied = {}

    def fetch(self) -> None:
        """Copy the files that a resumed run needs to the local folder."""
        for name in FETCHED:
            if (self.folder / name).exists():
                (self.files / name).write_bytes((self.folder / name).read_bytes())
                self._copied[self.files / name] = _state(self.files / name)

    def push(self) -> None:
        """Copy files changed since the last call to the bucket; without a bucket, do nothing."""
        if self.files == self.folder:
            return
        for file in sorted(self.files.rglob("*")):
            state = _state(file)
            if file.is_file() and file.name not in LOCAL_ONLY and self._copied.get(file) != state:
                target = self.folder / file.relative_to(self.files).as_posix()
                target.write_bytes(file.read_bytes())
                self._copied[file] = state

    def remove(self, name: str) -> None:
        """Remove a file from both folders."""
        for folder in (self.files, self.folder):
            (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def place(folder: Folder, writes: bool) -> Iterator[Place]:
    """Yield the Place of a run; at the end, even after an error, copy remaining files if `writes`.

    A UserError names the bucket, not the local folder.
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
