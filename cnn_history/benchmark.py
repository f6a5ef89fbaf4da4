"""Measure how fast the networks, the input and the start are, here and beside PyTorch.

    python -m cnn_history.benchmark --suite=cpu --against=torch --output=results/benchmarks/cpu.json

`cpu` and `gpu` are steps of networks. PyTorch runs in the same call and takes turns with ours; what
is quoted is the median of the rounds' ratios, with the lowest and the highest, beside the fastest
of its layouts.
"""

import importlib.util
import json
import os
import sys

import jax
from absl import flags

from cnn_history import commands
from cnn_history.benchmarks import cases, networks
from cnn_history.commands import UserError
from cnn_history.lookup import lookup, nearest
from cnn_history.reporting import tables
from cnn_history.training import devices, record

SUITE = flags.DEFINE_string("suite", None, "What is measured: cpu, gpu.")
AGAINST = flags.DEFINE_enum("against", None, ["torch"], "What runs beside it.")
OUTPUT = flags.DEFINE_string("output", None, "File of the JSON.")
NETWORKS = flags.DEFINE_list("networks", None, "Of the suite's networks, these alone.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Turns of each contestant.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 1.0, "That a turn takes, about.", lower_bound=0.0)
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
flags.mark_flag_as_required("suite")


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    chosen = _chosen()
    if AGAINST.value and not importlib.util.find_spec("torch"):
        raise UserError("--against=torch: PyTorch is not installed; EXTRAS=torch adds it.")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is shared with torch
    devices.start()
    if SUITE.value == "gpu" and jax.default_backend() != "gpu":
        raise UserError(f"--suite=gpu: there is no GPU here, but {record.devices()}.")
    before = os.getloadavg()[0]
    how = networks.How(ROUNDS.value, SECONDS.value, bool(AGAINST.value))
    rows = []
    for case in chosen:
        rows.append(networks.measure(case, how))
        _say(rows[-1])
    versions = record.versions()
    if AGAINST.value:
        versions["torch"] = importlib.metadata.version("torch")
    document = {
        "device": record.devices(),
        "suite": SUITE.value,
        "threads": len(os.sched_getaffinity(0)),
        "load_average": [before, os.getloadavg()[0]],  # who else computed
        "rounds": ROUNDS.value,
        "versions": versions,
        "commit": record.commit(),
        "results": rows,
    }
    if output:
        record.write_json(output, document)
    if FORMAT.value == "json":
        print(json.dumps(document, indent=2))
    else:
        tables.rows([_short(row) for row in rows])


def _chosen() -> list[cases.Case]:
    try:
        suite = lookup(cases.NETWORKS, SUITE.value, "suite")
    except ValueError as error:
        raise UserError(f"--suite: {error}") from error
    names = {case.network for case in suite}
    for name in NETWORKS.value or ():
        if name not in names:
            raise UserError(f"--networks: not in this suite: '{name}'; {nearest(name, names)}")
    return [case for case in suite if NETWORKS.value is None or case.network in NETWORKS.value]


def _say(row):
    print(json.dumps(_short(row)), file=sys.stderr, flush=True)


def _short(row):
    short = {name: row[name] for name in ("network", "mode", "batch", "dtype", "images_per_second")}
    if "ratio" in row:
        low, high = row["ratio"]["low"], row["ratio"]["high"]
        short["ratio"] = f"{row['ratio']['median']:.2f} ({low:.2f} to {high:.2f})"
        short["beside"] = row["beside"]
    return short


if __name__ == "__main__":
    commands.run(main)
