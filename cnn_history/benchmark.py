"""Measure the speed of networks, input and start, with or without PyTorch for comparison.

    python -m cnn_history.benchmark --suite=cpu --against=torch --output=results/benchmarks/cpu.json

The suites: `cpu` and `gpu` time steps of networks; `levers` tries options that could speed up a
GPU; `input` times image loaders; `startup` times imports and the first step; `optimizers` times
each rule on a small net; `profile` shows where a step spends its time. PyTorch runs in the same
call and takes turns with our code. A ratio is our time over that of PyTorch's faster layout in the
same round: the median of the rounds, with the lowest and the highest.

The file grows row by row. Run a stopped suite again, on the same device and commit, and it
continues.
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import time

import jax
from absl import flags

from cnn_history import commands
from cnn_history.benchmarks.suite import Effort, Suite
from cnn_history.benchmarks.suites import SUITES
from cnn_history.errors import UserError, blame
from cnn_history.files import record
from cnn_history.lookup import lookup, nearest
from cnn_history.reporting import benchmarks as report
from cnn_history.reporting import tables
from cnn_history.training import devices, progress

SUITE = flags.DEFINE_string("suite", None, f"What to measure: {', '.join(SUITES)}.")
AGAINST = flags.DEFINE_enum("against", None, ["torch"], "What to compare with.")
OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.")
NETWORKS = flags.DEFINE_list(
    "networks", None, "Only these of the suite's networks (or levers, rules, loaders, starts)."
)
ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds to measure.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 1.0, "Approximate length of a turn.", lower_bound=0.0)
PHOTOS = flags.DEFINE_string(
    "photos", None, "Folder of JPEG files for `input`; scikit-learn's if not given."
)
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
flags.mark_flag_as_required("suite")

MEASURED = (
    "ceilings",
    "load_average",
    "results",
)  # the other keys describe suite, machine and versions


def main(argv: list[str]) -> None:
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    suite, names, effort = _asked()
    if suite.one_processor:  # before XLA creates a thread for each processor
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # PyTorch shares the GPU, and compile times must not come from the cache.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax.config.update("jax_enable_compilation_cache", False)
    devices.start()
    if suite.on_gpu and jax.default_backend() != "gpu":
        raise UserError(f"--suite={SUITE.value}: needs a GPU; this machine has {record.devices()}.")
    document = _beginning(effort)
    done = _go_on(output, document)
    parts, began = suite.parts(names - done), time.monotonic()
    rounds = f"{effort.rounds} round{'s' * (effort.rounds > 1)}"
    what = f"{SUITE.value}: {', '.join(sorted(names - done))}, {rounds}"
    commands.announce(f"{what}, on {document['device']}; results go to {output or 'the console'}")
    document["ceilings"] = suite.ceilings(names - done, effort)
    for i, part in enumerate(parts, start=1):
        for row in suite.measure(part, effort, document["ceilings"]):
            document["results"].append(row)
            commands.announce(f"measured: {report.title(row)}")
        if i < len(parts):
            left = (time.monotonic() - began) / i * (len(parts) - i)
            commands.announce(f"about {progress.clock(left)} left")
        done |= part
        document["load_average"][1] = os.getloadavg()[0]
        if output:
            unfinished = {} if done >= names else {"done": sorted(done)}
            record.write_json(output, {**document, **unfinished})
    if FORMAT.value == "json":
        print(json.dumps(document, indent=2))
    else:
        shown = [report.short(row) for row in document["results"]]
        same = {"memory", *report.alike(shown)}  # left out, to fit on a line
        tables.rows([{n: v for n, v in row.items() if n not in same} for row in shown])
        print(*report.notes(document), sep="\n")


def _beginning(effort: Effort) -> dict:
    """Return the document without rows: the measurement, the machine and the versions."""
    versions = record.versions()
    commit = versions.pop("commit")
    if AGAINST.value:
        versions["torch"] = importlib.metadata.version("torch")
    return {
        "device": record.devices(),
        "processor": record.processor(),
        "suite": SUITE.value,
        "threads": len(os.sched_getaffinity(0)),  # on both sides
        "load_average": [os.getloadavg()[0]] * 2,  # before and after
        "rounds": effort.rounds,
        "versions": versions,
        "commit": commit,
        "ceilings": {},
        "results": [],
    }


def _go_on(output: pathlib.Path | None, document: dict) -> set[str]:
    """Take over the rows of an unfinished measurement with the same settings; return their names.

    A suite on a GPU may take longer than the machine is available.
    """
    try:
        before = json.loads(output.read_text()) if output else {}
        done = set(before["done"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # there is none, or it is finished: measure again
    same = all(before.get(name) == document[name] for name in document if name not in MEASURED)
    if not same or document["commit"].endswith("+"):  # with changes that no commit has
        return set()
    document["results"] += before["results"]
    document["load_average"][0] = before["load_average"][0]
    commands.announce(f"continuing: '{output}' already has {', '.join(sorted(done))}.")
    return done


def _asked() -> tuple[Suite, set[str], Effort]:
    """Return the suite, the names of its rows, and the effort, from the flags."""
    with blame("--suite"):
        suite = lookup(SUITES, SUITE.value, "suite")
    for name in NETWORKS.value or ():
        if name not in suite.names:
            raise UserError(
                f"--networks: '{name}' is not in this suite; {nearest(name, suite.names)}"
            )
    if AGAINST.value and not suite.beside_torch:
        raise UserError(f"--against: {SUITE.value} cannot be compared with PyTorch.")
    if AGAINST.value and not importlib.util.find_spec("torch"):
        raise UserError("--against=torch: PyTorch is not installed; EXTRAS=torch installs it.")
    photos = PHOTOS.value and pathlib.Path(PHOTOS.value).expanduser()
    if photos and not photos.is_dir():
        raise UserError(f"--photos: folder '{photos}' does not exist.")
    effort = Effort(ROUNDS.value, SECONDS.value, bool(AGAINST.value), photos or None)
    return suite, set(NETWORKS.value or suite.names), effort


if __name__ == "__main__":
    commands.run(main)
