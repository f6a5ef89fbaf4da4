"""The suite `startup`: how long one waits, each time in a fresh process."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from cnn_history.benchmarks import rounds
from cnn_history.benchmarks.suite import Effort, Suite
from cnn_history.commands import CHECKOUT

LOOKS = 0.005  # seconds between looks at a run's record
LIMIT = 600  # seconds until a run that shows nothing has failed
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
    """Yield a row for each kind of start; they take turns.

    An import of the package is counted over that of jax, which goes before it in the same process.
    The first step is that of the default experiment, from the start of the process to the line in
    its record, with an empty compilation cache (`cold`) and with the one that it left (`warm`).
    """
    del ceilings
    starts = {name: run for name, run in _starts(effort.torch).items() if name in names}
    found: dict[str, list[float]] = {}
    for _ in range(effort.rounds):
        for start in starts.values():
            for name, seconds in start().items():
                found.setdefault(name, []).append(seconds)
    for name, seconds in found.items():
        yield {"network": "", "mode": "start", "what": name, "seconds": rounds.spread(seconds)}


def _starts(torch: bool) -> dict[str, Callable[[], dict[str, float]]]:
    chosen = [name for name in IMPORTS if torch or name != "import torch"]
    return {
        **{name: lambda name=name: {name: _import_seconds(name)} for name in chosen},
        FIRST_STEP: _first_steps,
        SUMMARIZE: lambda: {"summarize --model=resnet50": _summarize_seconds()},
    }


def _import_seconds(name: str) -> float:
    before = "import jax; " if "cnn_history" in name else ""
    code = f"import time; {before}t = time.perf_counter(); {IMPORTS[name]}; "
    return float(_output([sys.executable, "-c", code + "print(time.perf_counter() - t)"]))


def _summarize_seconds() -> float:
    began = time.perf_counter()
    _output([sys.executable, "-m", "cnn_history.summarize", "--model=resnet50", "--format=json"])
    return time.perf_counter() - began


def _first_steps() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for kind in ("cold", "warm"):
            made[f"first step, {kind}"] = _first_step(pathlib.Path(folder), kind)
        return made


def _first_step(home: pathlib.Path, run: str) -> float:
    """Return the seconds from the start of the default experiment to its first step's line."""
    record = home / run / "metrics.jsonl"
    command = [sys.executable, "-m", "cnn_history.train", f"--workdir={home / run}"]
    command += ["--config=experiments/lenet5_digits.py", "--config.log_every=1"]
    # Compiled programs are kept below the home folder, unless this says otherwise.
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    began = time.perf_counter()
    with _ending(command, {**environment, "HOME": str(home)}) as process:
        while not _trained(record):
            if process.poll() is not None or time.perf_counter() - began > LIMIT:
                raise RuntimeError(f"the default experiment made no step: {process.stderr.read()}")
            time.sleep(LOOKS)
        return time.perf_counter() - began


def _trained(record: pathlib.Path) -> bool:
    lines = record.read_text().splitlines() if record.exists() else []
    with contextlib.suppress(json.JSONDecodeError):  # a line that is being written
        return any(json.loads(line)["split"] == "train" for line in lines)
    return False


@contextlib.contextmanager
def _ending(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Give the process of a command, and end it."""
    process = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout


SUITE = Suite((*IMPORTS, FIRST_STEP, SUMMARIZE), measure, together=True)
