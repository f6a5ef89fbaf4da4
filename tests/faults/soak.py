"""Train LeNet-5 for very long, with checkpoints and evaluations; no resource may grow.

    python -m tests.faults.soak --steps=100000 --output=results/faults/soak.json

After every checkpoint, the resident memory, file descriptors and threads of the process are
recorded. The slope is that of a line through all records except the first quarter, in which caches
fill.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

from cnn_history.files import checkpoint, record
from cnn_history.training import devices, loop
from experiments import lenet5_digits

QUANTITIES = ("resident_mb", "descriptors", "threads")


def config(steps: int):
    """Return the real network on digits, a few images a step: the host is what is tried."""
    made = lenet5_digits.get_config()
    made.update(batch_size=2, steps=steps, eval_batch_size=360, test_split="test")
    made.update(log_every=100, eval_every=steps // 100, checkpoint_every=steps // 200)
    made.learning_rate = 1e-3
    return made


def held() -> dict[str, float]:
    """Return what this process holds of the system (Linux)."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_mb": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def soak(steps: int, folder: pathlib.Path) -> dict:
    """Run; return the slopes a thousand steps, with the looks."""
    looks = []
    real = checkpoint.Checkpoints.save

    def save(self, step, state):
        real(self, step, state)
        looks.append({"step": step, **held()})

    checkpoint.Checkpoints.save = save
    began = time.monotonic()
    try:
        loop.run(config(steps), folder)
    finally:
        checkpoint.Checkpoints.save = real
    settled = looks[len(looks) // 4 :]
    at = [look["step"] / 1000 for look in settled]
    slopes = {name: np.polyfit(at, [look[name] for look in settled], 1)[0] for name in QUANTITIES}
    return {
        "steps": steps,
        "looks": len(looks),
        "evaluations": 100,
        "a_thousand_steps": {name: round(slope, 4) for name, slope in slopes.items()},
        "first": looks[0],
        "settled": settled[0],
        "last": looks[-1],
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Run, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--output", type=pathlib.Path, help="file.json")
    asked = parser.parse_args()
    devices.start()
    with tempfile.TemporaryDirectory() as name:
        found = soak(asked.steps, pathlib.Path(name))
    found |= {"versions": record.versions(), "devices": record.devices()}
    if asked.output:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        record.write_json(asked.output, found)
    json.dump(found, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
