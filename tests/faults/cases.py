"""Inject faults into `train` and its files; record exit statuses and messages.

python -m tests.faults.cases --output=results/faults/cases.json
"""

import argparse
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cnn_history.files import checksums, record
from cnn_history.training import feed, log
from tests.faults import lives
from tests.training import runs

SAID = ("train: ", "evaluate: ", "The checkpoint ", "It is kept ")


def _at_step(step, do):
    """Return an injection: something happens once the run has made a step."""

    def inject():
        real = log.Log.made

        def made(self, first, *rest):
            if first == step:
                do()
            real(self, first, *rest)

        log.Log.made = made

    return inject


def _signal(number):
    return lambda: os.kill(os.getpid(), number)


def _while_it_evaluates():
    def slow(*arguments):
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(60)

    feed.over_examples = slow


def _full_at_the_end():
    real = checksums.write

    def write(folder):
        if folder.name.startswith(f"{lives.STEPS}."):
            raise OSError(28, os.strerror(28))
        real(folder)

    checksums.write = write


def _flip(workdir, *steps):
    (workdir / "summary.json").unlink(missing_ok=True)
    for step in steps:
        path = next((workdir / f"checkpoints/{step}/default/d").iterdir())
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def cases(folder: pathlib.Path) -> list[dict]:
    """Do all of them; the last ones go on in the directory of the one before."""
    found = []

    def keep(what, name, status, said):
        said = said.replace(str(folder / name), "W")
        lines = [line for line in said.splitlines() if line.startswith(SAID)]
        found.append({"fault": what, "status": status, "said": lines})

    def case(what, name, inject=lambda: None):
        life = lives.live(lives.IN_MEMORY, folder / name, inject=inject)
        keep(what, name, life.status, life.said)

    def evaluation(what, name):
        command = [sys.executable, "-m", "cnn_history.evaluate", f"--workdir={folder / name}"]
        ended = subprocess.run(command, cwd=runs.CHECKOUT, capture_output=True, text=True)
        keep(f"{what}, and evaluated", name, ended.returncode, ended.stderr)

    case("SIGTERM after step 7", "term", _at_step(7, _signal(signal.SIGTERM)))
    case("SIGINT after step 7", "int", _at_step(7, _signal(signal.SIGINT)))
    case("SIGHUP in the first evaluation", "hup", _while_it_evaluates)
    gone = _at_step(7, lambda: shutil.rmtree(folder / "gone"))
    case("the directory removed", "gone", gone)
    case("no space at the last save", "full", _full_at_the_end)
    case("the same command, with space", "full")
    _flip(folder / "full", 40)
    evaluation("a bit of the newest checkpoint flipped", "full")
    case("a bit of the newest checkpoint flipped", "full")
    _flip(folder / "full", 40, 35)
    evaluation("a bit of every checkpoint flipped", "full")
    case("a bit of every checkpoint flipped", "full")
    (folder / "held").mkdir()
    with open(folder / "held/lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        case("a second run in the directory", "held")
    case("the lock of a run that has ended", "held")
    return found


def main() -> None:
    """Do them, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, help="file.json")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as name:
        found = cases(pathlib.Path(name))
    output.parent.mkdir(parents=True, exist_ok=True)
    record.write_json(output, {"cases": found, "versions": record.versions()})


if __name__ == "__main__":
    main()
