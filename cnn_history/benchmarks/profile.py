"""The suite `profile`: the time of a training step by kind of operation.

The profiler gives the duration of each operation of the compiled program; the program's text gives
its kind. The process has one processor from its start, because the profiler does not show when
operations on several processors, or continued by other threads, are running.
"""

import itertools
import pathlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterator

import jax

from cnn_history.benchmarks import ours
from cnn_history.benchmarks.cases import PROFILED, Case, networks
from cnn_history.benchmarks.suite import Effort, Suite

# A fusion has the first of these kinds that one of its operations has.
KINDS = {
    "convolutions": ("convolution",),
    "matrix products": ("dot",),
    "pooling": ("reduce-window", "select-and-scatter"),
    "transposes, and what is fused into them": ("transpose", "copy"),
    "sums, and what is fused into them": ("reduce",),
}
REST = "element by element"
# Operations of library calls, by words in their targets.
CALLS = {"conv": "convolution", "gemm": "dot", "matmul": "dot"}
# On a GPU, command buffers would hide single operations from the profiler.
APART = {"xla_gpu_enable_command_buffer": ""}
NESTING = ("call", "while", "conditional")  # the operations inside have their own entries

COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (?:\(.*?\)|\S+) ([\w-]+)\(")
CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.-]+)")
TARGET = re.compile(r'custom_call_target="([^"]+)"')


def measure(names: set[str], effort: Effort, ceilings: dict) -> Iterator[dict]:
    """Yield a row for each kind of operation of each network, the longest first."""
    for case in PROFILED["gpu" if jax.default_backend() == "gpu" else "cpu"]:
        if case.network in names:
            yield from _profile(case, effort.rounds)


def _profile(case: Case, steps: int) -> Iterator[dict]:
    made = ours.make(case, APART if jax.default_backend() == "gpu" else {})
    made.run(2)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            made.run(steps)
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        times = seconds_by_operation(file)
    found = Counter()
    for name, kind in kinds(made.compiled.as_text()).items():
        found[kind] += times[name] / steps
    for kind, seconds in found.most_common():
        share = seconds / found.total()
        yield {**case._asdict(), "what": kind, "share": share, "seconds_of_step": seconds}


def seconds_by_operation(trace: pathlib.Path) -> Counter[str]:
    """Return the duration of each operation in a profiler's trace, by name."""
    found = Counter()
    for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
        if plane.name.startswith("/device:") or plane.name == "/host:CPU":
            for line in plane.lines:
                for event in line.events:  # a GPU kernel has its operation in `hlo_op`
                    name = str(dict(event.stats).get("hlo_op", event.name))
                    found[name] += event.duration_ns / 1e9
    return found


def kinds(program: str) -> dict[str, str]:
    """Return the kind of each operation in the text of a compiled program, by name."""
    computations: dict[str, list[tuple[str, str, str]]] = {}
    for line in program.splitlines():
        if match := COMPUTATION.match(line):
            here = computations.setdefault(match[1], [])
        elif match := INSTRUCTION.match(line):
            here.append((match[1], match[2], line))

    def operations(code: str, line: str) -> set[str]:
        if code == "custom-call":
            target = TARGET.search(line)[1].lower()
            return {code} | {kind for word, kind in CALLS.items() if word in target}
        inside = CALLED.search(line) if code == "fusion" else None
        rows = computations.get(inside[1], []) if inside else []
        return {code}.union(*(operations(c, text) for _, c, text in rows))

    return {
        name: _kind(operations(code, line))
        for rows in computations.values()
        for name, code, line in rows
        if code not in NESTING
    }


def _kind(operations: set[str]) -> str:
    return next((kind for kind, codes in KINDS.items() if operations & set(codes)), REST)


SUITE = Suite(
    networks(itertools.chain(*PROFILED.values())),
    measure,
    beside_torch=False,
    one_processor=True,
)
