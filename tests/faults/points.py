"""Critical points: each injects a fault that kills a process once a run reaches the point.

The faults wrap functions of the package, from outside, in the process that will die.
"""

import os
import pathlib
import shutil
import signal

from cnn_history.files import checksums, record
from cnn_history.files.record import Metrics
from cnn_history.reporting import figures
from cnn_history.training import log


def die() -> None:
    """End at once, as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner, name, when=lambda *arguments: True, half=None, after=False):
    """Let a function kill the process before it works, after it, or in the middle of it."""

    def inject():
        real = getattr(owner, name)

        def wrapped(*arguments, **options):
            if not when(*arguments):
                return real(*arguments, **options)
            if half:
                half(*arguments)
            if after:
                real(*arguments, **options)
            die()

        setattr(owner, name, wrapped)

    return inject


def _commits(path, target):
    return path.name.endswith(".unfinished") and target.name.isdecimal()


def _removes(path, target):
    return target.name.endswith(".unfinished")


def _half_a_folder(folder):
    for path in sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())[::2]:
        path.unlink()


def _half_a_line(metrics, line):
    metrics._file.write('{"step": 1')
    metrics._file.flush()


def _at_step(step):
    return lambda self, first, *rest: first == step


def _names(name):
    return lambda path, value: path.name == name


POINTS = {
    "before the config is written": _wrap(record, "write_json", _names("config.json")),
    "in the first evaluation": _wrap(log.Log, "test"),
    "before the first step's line": _wrap(log.Log, "made"),
    "checkpoint written, no checksums": _wrap(checksums, "write"),
    "checksums written, not renamed": _wrap(pathlib.Path, "rename", _commits),
    "checkpoint renamed": _wrap(pathlib.Path, "rename", _commits, after=True),
    "in the middle of a metrics line": _wrap(Metrics, "write", half=_half_a_line),
    "between two epochs": _wrap(log.Log, "made", _at_step(10)),
    "a test line written, the step not saved": _wrap(log.Log, "test", after=True),
    "old checkpoint renamed, not removed": _wrap(pathlib.Path, "rename", _removes, after=True),
    "old checkpoint half removed": _wrap(shutil, "rmtree", half=_half_a_folder),
    "old checkpoint removed": _wrap(shutil, "rmtree", after=True),
    "last step saved, no summary": _wrap(record, "write_json", _names("summary.json")),
    "summary written, not renamed": _wrap(
        os, "replace", lambda source, target: str(target).endswith("summary.json")
    ),
    "summary written, before the figures": _wrap(figures, "run"),
    "figures drawn but the last": _wrap(figures, "curves"),
}
