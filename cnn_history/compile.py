"""Compile a run's programs for absent TPUs or GPUs, and report memory and communication.

    python -m cnn_history.compile --config=experiments/resnet_imagenet.py:depth=50 \
        --topology=v5e:2x4 --config.dtype=bfloat16

The TPU's own compiler (libtpu, the extra `compile`) and XLA's compiler for GPUs (the extra
`compile_gpu`) run on any machine. Nothing is trained, and no data are read. Memory, operations and
bytes are per device and step. ResNet-50 takes minutes on two cores.
"""

import json
import sys
from collections.abc import Callable

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags

from cnn_history import build, commands, datasets
from cnn_history.errors import UserError
from cnn_history.experiment import Experiment
from cnn_history.files import record
from cnn_history.reporting import compilations
from cnn_history.slices import account, alone, interruption, programs, search, topology

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment, experiments/NAME.py[:ARG]; its fields: ./launch.sh config."
)
TOPOLOGY = flags.DEFINE_string(
    "topology",
    None,
    "Slice, KIND:SIDES: v5e:2x4, v6e:2x4, v5p:2x2x2, v4:2x2x1 ..., or GPUs: h100:8, h200:8 ...",
)
PROGRAMS = flags.DEFINE_multi_enum(
    "programs",
    list(programs.PROGRAMS),
    programs.PROGRAMS,
    "Programs to compile; the step is always included.",
)
SEARCH = flags.DEFINE_bool(
    "search",
    False,
    f"Also search for the largest batch that fits, by up to {search.MOST} more compilations of "
    "limited time.",
)
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
OUTPUT = flags.DEFINE_string("output", None, "File to write the JSON to, in any format.")
flags.mark_flags_as_required(["config", "topology"])

# Of a compilation in the search; near the limit of memory the compiler may take hours.
SECONDS, SLOW = 60, 4  # at least; times what the first one took
ALONE = "from cnn_history import compile; compile.of_one_batch()"


def main(argv: list[str]) -> None:
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    topology.check_installed(topology.parse(TOPOLOGY.value)[0])
    _only_trace()
    with interruption.ends_at_once():
        found = _account(CONFIG.value)
    document = json.dumps(found, indent=2)
    if output:
        output.write_text(document + "\n")
    if FORMAT.value == "json":
        print(document)
    else:
        compilations.show(found)


def _only_trace() -> None:
    jax.config.update("jax_platforms", "cpu")  # on any machine
    jax.config.update("jax_enable_compilation_cache", False)  # `seconds` must be those of compiling


def _account(config: ConfigDict) -> dict:
    found = account.account(TOPOLOGY.value, making(config), PROGRAMS.value)
    if SEARCH.value:
        found["largest"] = _largest(config, found)
    kept = json.loads(config.to_json())
    kept.pop("data_dir")
    compiler = topology.version(topology.parse(TOPOLOGY.value)[0])
    return {**found, "versions": record.versions() | compiler, "config": kept}


def _largest(config: ConfigDict, found: dict) -> dict:
    """Return the largest batch whose step fits; each compilation runs in a separate process."""
    step = found["programs"]["step"]
    seconds = max(SECONDS, SLOW * step["seconds"])
    question = {"config": json.loads(config.to_json()), "topology": found["topology"]}

    def measure(images: int) -> dict | None:
        asked = {**question, "batch_size": images * found["devices"]}
        shown = alone.answer([sys.executable, "-c", ALONE], asked, seconds)
        line = compilations.trial(images, shown, round(seconds))
        print(f"compile: {line}", file=sys.stderr, flush=True)
        return shown

    result = search.largest(measure, found["images_per_device"], step, _multiple(config))
    return {**result, "seconds_of_each": round(seconds)}


def of_one_batch() -> None:
    """Entry point of a separate process that compiles a step for another batch."""

    def respond(question: dict) -> dict:
        _only_trace()
        made = making(ConfigDict(question["config"]), batch_size=question["batch_size"])
        return account.account(question["topology"], made, ["step"])["programs"]["step"]

    alone.answering(respond)


def making(config: ConfigDict, **changed) -> Callable[[jax.sharding.Mesh], Experiment]:
    """Return a function that makes the config's experiment for a mesh, with some fields changed."""
    config = config.copy_and_resolve_references()
    config.update(changed)

    def make(mesh: jax.sharding.Mesh) -> Experiment:
        if config.dtype == "float64":
            raise UserError("config.dtype: TPUs have no float64; use float32 or bfloat16.")
        data = build.sources(config, datasets.described)
        return build.experiment(config, data=data, mesh=mesh)

    return make


def _multiple(config: ConfigDict) -> int:
    """Return the number that must divide the images per device."""
    grouped = "norm" in config.model and config.model.norm.name == "batch_norm"
    size = config.model.norm.batch_norm.group_size if grouped else 0
    return config.micro_batches * max(size, 1)


if __name__ == "__main__":
    commands.run(main)
