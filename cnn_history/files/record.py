"""The records of a run: config, metrics, summary and TensorBoard events."""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import types

import jax
from etils import epath

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class InUse(Exception):
    """Another process is training in this work directory."""


@contextlib.contextmanager
def lock(workdir: pathlib.Path, writes: bool = True):
    """Lock a work directory until this process ends in any way.

    Yields a function that raises FileNotFoundError if the directory has been replaced since. Of
    several processes, only the one that `writes` takes the lock.

    Raises InUse if another process holds it.
    """
    if not writes:
        yield lambda: None
        return
    path = workdir / "lock"
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"'{workdir}' is in use by another run.") from None

        def check():
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                raise FileNotFoundError(f"'{workdir}' was removed or replaced meanwhile")

        yield check


def finite(value):
    """Return a tree of JSON values with None for numbers that are not finite, which JSON lacks."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: pathlib.Path | epath.Path, value) -> None:
    """Write a JSON file atomically: readers see the old one or the new one, never a part."""
    _write(path, json.dumps(finite(value), indent=2) + "\n")


def _write(path: pathlib.Path | epath.Path, text: str) -> None:
    if not isinstance(path, pathlib.Path):  # an object in a bucket, which appears whole
        path.write_text(text)
        return
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text)
    os.replace(unfinished, path)


def _tensorboard() -> types.ModuleType:
    """Import tensorboardX only when training, because it is slow.

    Hiding PyTorch saves one more second: tensorboardX would import it for tensors we never log.
    """
    # Importing None raises an ImportError, which tensorboardX expects.
    hidden = sys.modules.setdefault("torch", None) is None
    try:
        import tensorboardX
    finally:
        if hidden:
            del sys.modules["torch"]
    return tensorboardX


class Metrics:
    """metrics.jsonl, with one object per line in the order of steps, and TensorBoard events.

    Of several processes, one writes; the others keep the same lines in memory.
    """

    def __init__(self, workdir: pathlib.Path, step: int, writes: bool = True):
        """Open the files to continue from `step`; later or incomplete lines are dropped."""
        self.lines = [line for line in read_metrics(workdir) if line["step"] <= step]
        self._writes = writes
        if not writes:
            return
        path = workdir / "metrics.jsonl"
        _write(path, "".join(json.dumps(line) + "\n" for line in self.lines))
        self._file = open(path, "a")  # noqa: SIM115 - closed by __exit__
        self._board = _tensorboard().SummaryWriter(str(workdir), purge_step=step + 1)

    def write(self, line: dict) -> None:
        """Append a line of `step`, `split` and numbers; infinite ones and NaN become None."""
        line = finite(line)
        self.lines.append(line)
        if not self._writes:
            return
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in line.items():
            if name not in ("step", "split") and value is not None:
                self._board.add_scalar(f"{line['split']}/{name}", value, line["step"])

    def evaluated(self, step: int) -> bool:
        """Return whether the test split has been evaluated at this step."""
        return any(line["split"] == "test" and line["step"] == step for line in self.lines)

    def test_error(self) -> float | None:
        """Return the newest test error."""
        errors = [line["top1_error"] for line in self.lines if line["split"] == "test"]
        return errors[-1] if errors else None

    def seconds(self) -> float:
        """Return the training time so far in seconds, including earlier processes."""
        return max((line.get("seconds", 0.0) for line in self.lines), default=0.0)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._writes:
            self._file.close()
            self._board.close()


def read_metrics(workdir: pathlib.Path) -> list[dict]:
    """Return the lines of metrics.jsonl up to the first that is incomplete or damaged."""
    path = workdir / "metrics.jsonl"
    lines = []
    for text in path.read_bytes().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except (ValueError, RecursionError):  # cut off by a kill, so it is the last
            break
    return lines


def sources() -> str:
    """Return a hash of the package's Python files."""
    package = pathlib.Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect results, and the checkout's commit."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found, "commit": commit()}


def commit() -> str:
    """Return the checkout's commit, with `+` if files differ from it; empty outside a checkout.

    $CNN_HISTORY_COMMIT replaces it for files that were copied without .git.
    """
    if named := os.environ.get("CNN_HISTORY_COMMIT"):
        return named
    here = pathlib.Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def processor() -> str:
    """Return the model name of the processor on Linux; "" elsewhere."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "")


def devices() -> str:
    """Return number and kind of the devices as text, such as `1 cpu (2 cores)`."""
    kind = jax.devices()[0].device_kind
    processor = f" ({os.cpu_count()} cores)" if jax.default_backend() == "cpu" else ""
    processes = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{jax.device_count()} {kind}{processor}{processes}"
