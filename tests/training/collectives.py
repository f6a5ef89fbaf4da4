"""Count the collectives of a training step, in the program compiled for a mesh of many devices.

    ./launch.sh python -m tests.training.collectives --devices=256 \
        --output=results/processes/collectives.json

Nothing is run: the step is compiled for virtual devices, and its collectives are counted by their
contents.
"""

import json
import math
import pathlib
import re
import sys
import tempfile

import jax
from absl import app, flags

from cnn_history.files import record
from cnn_history.training import devices
from tests.training import settings, topologies

DEVICES = flags.DEFINE_integer("devices", 8, "How many virtual ones.")
OUTPUT = flags.DEFINE_string("output", None, "File of the JSON; the table alone if not given.")

EXAMPLES = 4  # of a device, so that no other dimension is as large as a batch
KINDS = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
COLLECTIVE = re.compile(rf"= (\(.*?\)|\S+) ({KINDS})(?:-start)?\(")
# Of a config: the feed, and what it changes.
CASES = {
    "global statistics": ("whole", {}),
    "statistics of a device": ("whole", {"group_size": EXAMPLES}),
    "streamed": ("streamed", {}),
    "many examples": ("whole", {"examples": 12 * EXAMPLES}),
    "in two parts": ("whole", {"micro_batches": 2}),
    "optimizer's state sharded": ("whole", {"optimizer_state": "sharded"}),
}


def compiled(feed, photos, group_size=None, examples=EXAMPLES, **fields):
    """Return the text of the compiled step, and the state's shapes."""
    mesh, config = devices.mesh(), topologies.config(feed, "float32")
    config.update(batch_size=examples * mesh.size, eval_batch_size=mesh.size, **fields)
    train, _ = topologies.sources(feed, photos)
    network = topologies.Net(group_size=group_size)
    program, training, *_ = settings.of(config, network, train, mesh)
    cursor = training.at(0, 1)
    training.close()
    lowered = program.step.lower(program.abstract, training.data, cursor)
    return lowered.compile().as_text(), program.abstract, config.batch_size


def count(text, state, batch_size):
    """Return how many collectives there are of each use.

    A gradient's carries an array as large as a kernel; one of statistics, or of what goes
    back through them and is the gradient of scale and bias too, numbers for each channel that is
    normalized alone, or the moments that each device found; one of the batch an array with a
    dimension as long as the batch.
    """
    kernels = {leaf.size for leaf in jax.tree.leaves(state.params) if leaf.ndim > 1}
    channels = {leaf.size for leaf in jax.tree.leaves(state.model_state)}
    found = dict.fromkeys(
        ("gradient", "statistics", "scalars", "gathered_parameters", "batch", "other"), 0
    )
    for shapes, kind in COLLECTIVE.findall(text):
        arrays = [
            tuple(map(int, filter(None, dims.split(","))))
            for dims in re.findall(r"[a-z]+\d*\[([\d,]*)\]", shapes)
        ]
        sizes = [math.prod(dims) for dims in arrays]
        if any(batch_size in dims for dims in arrays):
            use = "batch"
        elif kind == "all-gather":  # a device tells three moments of each channel
            told = {3 * jax.device_count() * size for size in channels}
            use = "statistics" if set(sizes) <= told else "gathered_parameters"
        elif kind != "all-reduce":
            use = "other"
        elif kernels & set(sizes):
            use = "gradient"
        elif max(sizes) == 1:
            use = "scalars"
        else:
            use = "statistics" if set(sizes) <= {1, *channels} else "other"
        found[use] += 1
    return found


def table(number):
    """Return a row for each case, on so many devices."""
    jax.config.update("jax_num_cpu_devices", number)
    photos, rows = topologies.make_photos(pathlib.Path(tempfile.mkdtemp())), []
    for name, (feed, fields) in CASES.items():
        rows.append({"case": name, **count(*compiled(feed, photos, **fields))})
    return rows


def main(argv):
    """Print the table, for people and as JSON."""
    del argv
    rows = table(DEVICES.value)
    for row in rows:
        cells = [f"{use} {number}" for use, number in row.items() if number and use != "case"]
        print(f"{row['case']}: {', '.join(cells)}", file=sys.stderr)
    if OUTPUT.value:
        output = pathlib.Path(OUTPUT.value)
        output.parent.mkdir(parents=True, exist_ok=True)
        found = {"what": " ".join(count.__doc__.split()), "devices": DEVICES.value}
        found |= {"versions": record.versions(), "commit": record.commit(), "rows": rows}
        record.write_json(output, found)
    print(json.dumps(rows))


if __name__ == "__main__":
    devices.start()
    app.run(main)
