"""Processes of `train`, each forked from this one, which has imported it.

A fork saves the time of the imports; everything after them is the real command. Only for programs
that have not used a jax device.
"""

import dataclasses
import importlib
import json
import os
import pathlib
import re
import signal
import sys
import time
from collections.abc import Callable

from cnn_history import commands, train
from cnn_history.files import checksums
from tests.datasets import files

importlib.import_module("tensorboardX")
importlib.import_module("matplotlib.pyplot")

STEPS = 40

# LeNet-5 on a part of the digits, ten steps an epoch; many files are written, at many steps.
IN_MEMORY = (
    "--config=experiments/lenet5_digits.py",
    *("--config.train_split=train[:160]", "--config.test_split=test[:64]"),
    *("--config.batch_size=16", f"--config.steps={STEPS}", "--config.log_every=1"),
    *("--config.eval_batch_size=32", "--config.eval_every=7", "--config.checkpoint_every=5"),
)


def streamed(folder: pathlib.Path) -> tuple[str, ...]:
    """Return the arguments of a run on 50 small photos that are decoded while it runs."""
    root = files.make_folder(folder, train=50, val=9)
    return (
        *IN_MEMORY,
        *("--config.train_split=train", "--config.test_split=val"),
        *("--config.dataset=folder", f"--config.data_dir={root}", "--config.adapter=square"),
        *("--config.scaling=per_pixel_mean", "--config.augmentation.name=vgg"),
        *("--config.augmentation.vgg.scales=(33,40)", "--config.eval_batch_size=4"),
    )


@dataclasses.dataclass
class Life:
    """The end of a process; `status` is minus the number of a signal that killed it."""

    status: int
    seconds: float
    recovery: float | None  # seconds until a step was made, None if none was
    said: str


def live(
    arguments: tuple[str, ...],
    workdir: pathlib.Path,
    kill: tuple[int, float] | None = None,
    inject: Callable[[], None] = lambda: None,
) -> Life:
    """Train until it ends by itself, or is killed.

    `kill` is (step, seconds): so long after that step was seen, or after the start for step 0.
    `inject` is called in the new process before anything else, to put a fault into it.
    """
    log = workdir.with_suffix(".log")
    workdir.mkdir(parents=True, exist_ok=True)
    began, recovery, die_at = time.monotonic(), None, None
    resumed = newest_whole(workdir)
    child = os.fork()
    if child == 0:
        _child(arguments, workdir, log, inject)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        now = time.monotonic() - began
        if pid:
            break
        step = _last_step(workdir, since=log)
        if recovery is None and step > resumed:
            recovery = now
        if kill and die_at is None and step >= kill[0]:
            die_at = now + kill[1]
        if die_at is not None and now > die_at:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.004)
    return Life(os.waitstatus_to_exitcode(status), now, recovery, log.read_text())


def _child(arguments, workdir, log, inject) -> None:
    status = 70
    try:
        with open(log, "w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        inject()
        sys.argv = ["train", *arguments, f"--workdir={workdir}"]
        commands.run(train.main)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _last_step(workdir: pathlib.Path, since: pathlib.Path) -> int:
    """Return the step of metrics.jsonl's last line, 0 if none was written since `since` was."""
    try:
        path = workdir / "metrics.jsonl"
        if path.stat().st_mtime_ns <= since.stat().st_ctime_ns:
            return 0
        last = path.read_text().rpartition('{"step": ')[2]
        return int(re.match(r"\d*", last)[0] or 0)
    except FileNotFoundError:
        return 0


def lines(workdir: pathlib.Path) -> list[dict]:
    """Return the lines of metrics.jsonl that are whole."""
    text = (workdir / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def newest_whole(workdir: pathlib.Path) -> int:
    """Return the newest step that matches its checksums, 0 if there is none."""
    steps = [path for path in workdir.glob("checkpoints/*") if path.name.isdecimal()]
    return max((int(path.name) for path in steps if not checksums.damage(path)), default=0)


def different(workdir: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """Say in what a run's end differs from that of an uninterrupted one; a clock's values aside."""
    found = []
    ours, theirs = (_state(folder) for folder in (workdir, whole))
    found += [f"state: {name}" for name in theirs if ours.get(name) != theirs[name]]
    clock = ("seconds", "images_per_second", "data_wait")

    def plain(folder):
        return [{k: v for k, v in line.items() if k not in clock} for line in lines(folder)]

    for name, made in (("lines", plain), ("files", _files), ("test", _test)):
        if made(workdir) != made(whole):
            found.append(f"{name}: {made(workdir)} instead of {made(whole)}")
    return found


def _state(folder: pathlib.Path) -> dict[str, bytes]:
    """Return the bytes of every array of the newest checkpoint, by name."""
    import jax

    from cnn_history.files import checkpoint

    leaves = jax.tree_util.tree_leaves_with_path(checkpoint.restore_variables(folder))
    return {jax.tree_util.keystr(path): _bytes(leaf) for path, leaf in leaves}


def _bytes(leaf) -> bytes:
    import jax

    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return jax.device_get(leaf).tobytes()


def _files(folder: pathlib.Path) -> list[str]:
    """Return what stands in the directory, below checkpoints by step alone."""
    paths = [*folder.iterdir(), *folder.glob("figures/*"), *folder.glob("checkpoints/*")]
    names = (path.relative_to(folder).as_posix() for path in paths)
    return sorted(name for name in names if not name.startswith("events."))


def _test(folder: pathlib.Path) -> dict:
    return json.loads((folder / "summary.json").read_text())["test"]
