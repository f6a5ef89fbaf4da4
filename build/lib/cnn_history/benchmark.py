"""Measure how fast the networks, the input and the start are, here and beside PyTorch.

    python -m cnn_history.benchmark --suite=cpu --against=torch --output=results/benchmarks/cpu.json

`cpu` and `gpu` are steps of networks, `levers` what could make those on a GPU faster, `input` the
loaders of images, `startup` what one waits for, `optimizers` each rule on a small net, `profile`
where the time of a step goes. PyTorch runs in the same call and takes turns with ours; a ratio is
our time over its, taken within a round, beside the faster of its layouts: the median of the rounds,
with the lowest and the highest.

The file is written as rows are made. Stopped and begun again, on the same device from the same
commit, a suite goes on with what is left.
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys

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
from cnn_history.training import devices

SUITE = flags.DEFINE_string("suite", None, f"What is measured: {', '.join(SUITES)}.")
AGAINST = flags.DEFINE_enum("against", None, ["torch"], "What runs beside it.")
OUTPUT = flags.DEFINE_string("output", None, "File of the JSON.")
NETWORKS = flags.DEFINE_list(
    "networks", None, "Of the suite's networks (or levers, rules, loaders, starts), these alone."
)
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each contestant.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 1.0, "That a turn takes, about.", lower_bound=0.0)
PHOTOS = flags.DEFINE_string(
    "photos", None, "Folder of JPEG files for `input`; else scikit-learn's."
)
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
flags.mark_flag_as_required("suite")

MEASURED = ("ceilings", "load_average", "results")  # of a document; the rest says what, and where


def main(argv: list[str]) -> None:
    """Run the verb."""
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    suite, names, effort = _asked()
    if suite.one_processor:  # before XLA makes its threads, as many as there are processors
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # A GPU is shared with PyTorch, and compiling is measured, not remembered.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax.config.update("jax_enable_compilation_cache", False)
    devices.start()
    if suite.on_gpu and jax.default_backend() != "gpu":
        raise UserError(f"--suite={SUITE.value}: there is no GPU here, but {record.devices()}.")
    document = _beginning(effort)
    done = _go_on(output, document)
    document["ceilings"] = suite.ceilings(names - done, effort)
    for part in suite.parts(names - done):
        for row in suite.measure(part, effort, document["ceilings"]):
            document["results"].append(row)
            print(f"{report.title(row)} ...", file=sys.stderr, flush=True)
        done |= part
        document["load_average"][1] = os.getloadavg()[0]
        if output:
            unfinished = {} if done >= names else {"done": sorted(done)}
            record.write_json(output, {**document, **unfinished})
    if FORMAT.value == "json":
        print(json.dumps(document, indent=2))
    else:
        shown = [report.short(row) for row in document["results"]]
        same = {"memory", *report.alike(shown)}  # a line has room for no more
        tables.rows([{n: v for n, v in row.items() if n not in same} for row in shown])
        print(*report.notes(document), sep="\n")


def _beginning(effort: Effort) -> dict:
    """Return the document before its first row: what is measured, where and with what."""
    versions = record.versions()
    commit = versions.pop("commit")
    if AGAINST.value:
        versions["torch"] = importlib.metadata.version("torch")
    return {
        "device": record.devices(),
        "processor": record.processor(),
        "suite": SUITE.value,
        "threads": len(os.sched_getaffinity(0)),  # of both sides
        "load_average": [os.getloadavg()[0]] * 2,  # who else computed, before and after
        "rounds": effort.rounds,
        "versions": versions,
        "commit": commit,
        "ceilings": {},
        "results": [],
    }


def _go_on(output: pathlib.Path | None, document: dict) -> set[str]:
    """Take over the rows of an unfinished measurement of the same; return which names they are of.

    A suite of a GPU takes longer than some machines are lent for.
    """
    try:
        before = json.loads(output.read_text()) if output else {}
        done = set(before["done"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # none, or finished: measured anew
    same = all(before.get(name) == document[name] for name in document if name not in MEASURED)
    if not same or document["commit"].endswith("+"):  # of files that nobody knows
        return set()
    document["results"] += before["results"]
    document["load_average"][0] = before["load_average"][0]
    print(f"going on: '{output}' has {', '.join(sorted(done))}.", file=sys.stderr, flush=True)
    return done


def _asked() -> tuple[Suite, set[str], Effort]:
    """Return the suite, the names of its rows, and how to measure."""
    with blame("--suite"):
        suite = lookup(SUITES, SUITE.value, "suite")
    for name in NETWORKS.value or ():
        if name not in suite.names:
            raise UserError(
                f"--networks: '{name}' is not in this suite; {nearest(name, suite.names)}"
            )
    if AGAINST.value and not suite.beside_torch:
        raise UserError(f"--against: {SUITE.value} has nothing that PyTorch runs beside.")
    if AGAINST.value and not importlib.util.find_spec("torch"):
        raise UserError("--against=torch: PyTorch is not installed; EXTRAS=torch installs it.")
    photos = PHOTOS.value and pathlib.Path(PHOTOS.value).expanduser()
    if photos and not photos.is_dir():
        raise UserError(f"--photos: there is no folder '{photos}'.")
    effort = Effort(ROUNDS.value, SECONDS.value, bool(AGAINST.value), photos or None)
    return suite, set(NETWORKS.value or suite.names), effort


if __name__ == "__main__":
    commands.run(main)
