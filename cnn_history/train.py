"""Train a network, or resume from the checkpoint in the work directory.

    python -m cnn_history.train --config=experiments/lenet5_digits.py --workdir=runs/lenet5_digits

`--config=FILE:ARG` passes options to the config, `--config.FIELD=VALUE` changes a field.
`--seeds=N` makes N runs in WORKDIR/seed_K; K starts at the config's seed.
"""

import json
import os
import statistics
import sys

from absl import flags
from ml_collections import ConfigDict, config_flags

from cnn_history import commands, papers
from cnn_history.files import bucket, record
from cnn_history.files.workdir import SUMMARY
from cnn_history.reporting import tables
from cnn_history.training import devices, loop, processes, together
from cnn_history.training.signals import Stop

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment, experiments/NAME.py[:ARG]; its fields: ./launch.sh config."
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run, or gs://BUCKET/FOLDER; created if missing."
)
SEEDS = flags.DEFINE_integer("seeds", 1, "Number of runs with different seeds.", lower_bound=1)
PROCESSES = commands.process_flags()
flags.mark_flags_as_required(["config", "workdir"])


def main(argv: list[str]) -> None:
    try:
        with together.joined(*(flag.value for flag in PROCESSES)):
            _train(CONFIG.value, bucket.path(WORKDIR.value))
    except Stop as stop:
        print(f"train: {stop.line}", file=sys.stderr, flush=True)
        # XLA may still compile in another thread, which an ordinary exit would crash.
        os._exit(stop.code)


def _train(config: ConfigDict, workdir: bucket.Folder) -> None:
    devices.start()
    code = {**record.versions(), "sources": record.sources()}
    processes.agree(config=config.to_json(), code=json.dumps(code))
    summaries = []
    for seed in range(config.seed, config.seed + SEEDS.value):
        one = config.copy_and_resolve_references()
        one.seed = seed
        folder = workdir / f"seed_{seed}" if SEEDS.value > 1 else workdir
        summaries.append(loop.run(one, folder))
    if not processes.chief():
        return
    if SEEDS.value > 1:
        record.write_json(workdir / SUMMARY, over_seeds(summaries))
    tables.runs(summaries, papers.reported(config))
    print(f"\nFigures, metrics and checkpoints are in {workdir}.")


def over_seeds(summaries: list[dict]) -> dict:
    """Return one summary of runs with different seeds: means, and the error's deviation."""
    errors = [summary["test"]["top1_error"] for summary in summaries]
    return {
        **summaries[0],
        "seed": [summary["seed"] for summary in summaries],
        "test": {
            **summaries[0]["test"],
            "top1_error": statistics.fmean(errors),
            "top1_error_std": statistics.stdev(errors),
            "top1_errors": errors,
        },
        **{
            name: statistics.fmean(summary[name] for summary in summaries)
            for name in ("seconds", "images_per_second")
        },
    }


if __name__ == "__main__":
    commands.run(main)
