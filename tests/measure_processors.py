"""Thresholds of the CPU's forms on this machine: each value's time over that of the table in use.

    ./launch.sh python -m tests.measure_processors --output=FILE

In each case of `benchmark --suite=cpu`, each threshold takes each of its `VALUES`; others stay.
A program that does not change is not run. The others take turns with the one in use; the ratio
compares neighbours in time (`benchmarks.rounds`). Stop all other work first.
"""

import dataclasses
import json
import math
import os
import pathlib

import jax
from absl import app, flags

from cnn_history.benchmarks import cases, ours, rounds
from cnn_history.cpu import processors
from cnn_history.files import record
from cnn_history.training import devices

OUTPUT = flags.DEFINE_string("output", None, "Also write the rows as JSON to this file.")
VALUES = {
    "packed_columns": (1, 2, 8),
    "packed_maps": (0, 16, 32, 64, 96),
    "packed_maps_of_images": (32, 64, 256),
    "two_rows_maps": (0, 32, 128),
    "part_images": (8, 32, 64),
    "part_channels": (0, 16, 64),
    "tiles_products": (20, 30, 120, math.inf),
    "tiles_positions": (256, 3072),
    "tiles_waste": (0.0, 1 / 4),
    "places_summed": (4, 25),
}
ROUNDS, SECONDS = 7, 1.0
NETWORKS = flags.DEFINE_multi_enum(
    "networks", cases.networks(cases.CPU), cases.networks(cases.CPU), "Networks to measure."
)
THRESHOLDS = flags.DEFINE_multi_enum("thresholds", list(VALUES), list(VALUES), "What to vary.")


@dataclasses.dataclass(frozen=True)
class Row:
    """A network with one threshold changed.

    Attributes:
      network, mode: the case.
      threshold, value: what was changed, and to what.
      ratio: its time over that with the thresholds in use: median, low, high.
    """

    network: str
    mode: str
    threshold: str
    value: float
    ratio: dict[str, float]


def compiled(case, **changed):
    """Return the case compiled with some thresholds changed."""
    kept = processors.PROCESSOR
    processors.PROCESSOR = kept._replace(**changed)
    jax.clear_caches()  # of lowered functions, which hold the thresholds
    try:
        return ours.make(case)
    finally:
        processors.PROCESSOR = kept


def rows(case):
    """Yield the rows of a case, most thresholds leaving its program as it is."""
    base = compiled(case)
    seen = {base.compiled.as_text()}
    for threshold in THRESHOLDS.value:
        for value in VALUES[threshold]:
            other = compiled(case, **{threshold: value})
            if other.compiled.as_text() in seen:
                continue
            seen.add(other.compiled.as_text())
            found = rounds.alternate({"base": base.run, "other": other.run}, ROUNDS, SECONDS)
            ratio = rounds.ratio(found["other"], found["base"])
            yield Row(case.network, case.mode, threshold, value, ratio)


def write(path, found):
    """Write the rows with what they were measured on."""
    written = {
        "what": "time of a program with one threshold changed, over that with those in use",
        "processor": record.processor(),
        "cores": os.cpu_count(),
        "versions": record.versions(),
        "rows": found,
    }
    pathlib.Path(path).write_text(json.dumps(written, indent=1) + "\n")


def main(argv):
    """Print a line per row, and write them."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {argv[1]}.")
    devices.start()
    found = []
    for case in cases.CPU:
        if case.network not in NETWORKS.value:
            continue
        for row in rows(case):
            median, low, high = (row.ratio[name] for name in ("median", "low", "high"))
            line = f"{row.network} {row.mode}: {row.threshold}={row.value:g}"
            print(f"{line}  {median:.3f} ({low:.3f}-{high:.3f})", flush=True)
            found.append(dataclasses.asdict(row))
            if OUTPUT.value:
                write(OUTPUT.value, found)


if __name__ == "__main__":
    app.run(main)
