"""The suite `startup`: waiting times, each in a fresh process."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator

from cnn_history.benchmarks import rounds
from cnn_history.benchmarks.suite import Effort, Suite
from cnn_history.commands import CHECKOUT
from cnn_history.files.record import read_metrics

LOOKS = 0.005  # seconds between readings of a run's record
LIMIT = 600  # seconds after which a run without a record has failed
IMPORTS = {
    "import jax": "import jax",
    "import torch": "import torch",
    "import cnn_history": "from cnn_history import "
    "initializers, layers, models, optimizers, schedules, evaluation",
    "import cnn_history.train": "from cnn_history import train",
}
FIRST_STEP = "first step"
SUMMARIZE = "summarize"


def measure(names: set[str], effort: Effort, ceilings: dict) -> Iterator[dict]:
    """Yield a row for each kind of start; the kinds take turns.

    The time to import the package excludes jax, which the process imports first. The first step is
    that of the default experiment, timed from the start of the process to the line in its record,
    with an empty compilation cache (`cold`) and with a filled one (`warm`).
    """
    names = names if effort.torch else names - {"import torch"}
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(effort.rounds):
        for start in filter(names.__contains__, SUITE.names):
            for name, seconds in _start(start):
                found[name].append(seconds)
    for name, seconds in found.items():
        yield {"network": "", "mode": "start", "what": name, "seconds": rounds.spread(seconds)}


def _start(name: str) -> Iterator[tuple[str, float]]:
    """Yield the label of each start, and its seconds."""
    if name in IMPORTS:
        before = "import jax; " if "cnn_history" in name else ""
        code = f"import time; {before}t = time.perf_counter(); {IMPORTS[name]}; "
        yield name, float(_output("-c", code + "print(time.perf_counter() - t)"))
    elif name == SUMMARIZE:
        began = time.perf_counter()
        _output("-m", "cnn_history.summarize", "--model=resnet50", "--format=json")
        yield "summarize --model=resnet50", time.perf_counter() - began
    else:
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("cold", "warm"):
                yield f"{name}, {kind}", _first_step(pathlib.Path(folder), kind)


def _first_step(home: pathlib.Path, run: str) -> float:
    """Return the seconds from the start of the default experiment to its first step's line."""
    command = [sys.executable, "-m", "cnn_history.train", f"--workdir={home / run}"]
    command += ["--config=experiments/lenet5_digits.py", "--config.log_every=1"]
    # Without this variable, the compilation cache lies below the home folder.
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment["HOME"] = str(home)
    said = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, **said) as process:
        try:
            while not any(line["split"] == "train" for line in read_metrics(home / run)):
                if process.poll() is not None or time.perf_counter() - began > LIMIT:
                    raise RuntimeError(f"no step of {' '.join(command)}: {process.stderr.read()}")
                time.sleep(LOOKS)
            return time.perf_counter() - began
        finally:
            process.kill()


def _output(*arguments: str) -> str:
    """Return the output of Python with these arguments."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout


SUITE = Suite((*IMPORTS, FIRST_STEP, SUMMARIZE), measure, together=True)
