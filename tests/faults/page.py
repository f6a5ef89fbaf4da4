"""Writes the section of docs/faults.md on faults injected into runs, from results/faults/*.json.

./launch.sh python -m tests.faults.page
"""

import collections
import json

from tests.training.runs import CHECKOUT

PAGE = CHECKOUT / "docs" / "faults.md"
RESULTS = CHECKOUT / "results" / "faults"
TITLE = "## Runs killed, stopped, damaged"
KILLS = """\
`python -m tests.faults.kill --kills=N` first kills `train` (SIGKILL) at {points} critical points,
such as between the writing and the renaming of a checkpoint, then at N random instants. The killed
processes are forked from one that has imported `train`. The test suite runs it with 4 kills.
A run counts as different if any bit of the last state, any line of metrics or any file name
differs from those of a run without kills. The table covers {chains} runs, each killed many times,
in {seconds:,.0f} s on two shared cores.

| killed | times | runs lost | runs different | most steps repeated | longest recovery |
|---|---|---|---|---|---|
"""
SOAK = """
`python -m tests.faults.soak --steps=100000`: LeNet-5, {steps:,} steps, {looks} checkpoints and
{evaluations} evaluations in {seconds:,.0f} s. After the first quarter, 1,000 steps changed its
memory by {resident_mb:.2f} MB, its file descriptors by {descriptors:.2f} and its threads by
{threads:.2f}. It had {first} at the first checkpoint, and {last} at the last.

**Messages, as printed** by the command (`python -m tests.faults.cases`). `W` is the work
directory; the exit status is in parentheses:
"""
END = """
* **Damaged checkpoints.** `tests/faults/test_damage.py` truncates, zeroes and deletes each file of
  a checkpoint in turn, and flips one of its bits. A run keeps two checkpoints unless
  `config.keep_checkpoints` says otherwise. Checkpoints older than the checksums are read, with a
  line that says they were not verified.
* **Signals.** A signal during a compilation ends a run at once (jax 0.11 and 0.12 finish the
  compilation first; nothing is unsaved then). A signal during an evaluation also ends it at once,
  unless the evaluation changes the state (plateau, true averages) or several processes run; then
  the evaluation is finished first.
* **Signals while waiting.** A process that waits for another one inside a step cannot save. After 8
  seconds without progress (or three times the last step, or 300 seconds within a save or the first
  evaluation), the signal ends all processes with its status. The message names the last saved step
  (`tests/training/test_overdue.py`). On a busy machine, two processes ended 9 to 12 seconds after
  the signal, whether the other one was slow or hung; before, a process that waited for a slow one
  was still running after 90 seconds. A process that has hung for longer may first be found lost by
  its missing heartbeat (134).
* **Determinism.** The same seed gives the same bits on a CPU: in a second run, resumed at any
  step, with a cold or a warm compilation cache (`tests/faults/test_determinism.py`). On a GPU, set
  `XLA_FLAGS=--xla_gpu_deterministic_ops=true`; we did not test it.
  `--xla_gpu_exclude_nondeterministic_ops` reportedly refuses the gradient of max-pooling
  (select-and-scatter).
"""


def section() -> str:
    """Return the section as Markdown."""
    kills, cases, soak = (
        json.loads((RESULTS / f"{name}.json").read_text()) for name in ("kills", "cases", "soak")
    )
    found = collections.defaultdict(list)
    for one in kills["found"]:
        found[one["kind"]].append(one)
    points = len(kills["found"][0]["points"])
    text = KILLS.format(points=points, chains=kills["chains"], seconds=kills["seconds"])
    for kind, chains in found.items():
        counts = [sum(one["kills"] for one in chains)]
        counts += [sum(len(one[name]) for one in chains) for name in ("lost", "different")]
        worst = [max(one.get(name, 0) for one in chains) for name in ("redone", "recovery")]
        last = f"{worst[0]} | {worst[1]:.1f} s" if worst[1] else "– | –"
        text += f"| {kind} | {' | '.join(map(str, counts))} | {last} |\n"
    ends = {name: _held(soak[name]) for name in ("first", "last")}
    slopes = {name: slope + 0.0 for name, slope in soak["a_thousand_steps"].items()}  # no -0
    text += SOAK.format(**{**soak, **slopes, **ends})
    for case in cases["cases"]:
        said = case["said"] or ["(only its usual output)"]
        text += f"\n* **{case['fault']}** ({case['status']})\n\n"
        text += "".join(f"      {line}\n" for line in said)
    return f"{TITLE}\n\n{text}{END}"


def _held(look: dict) -> str:
    return f"{look['resident_mb']:,.0f} MB, {look['descriptors']} and {look['threads']}"


def main() -> None:
    """Replace the section in the page."""
    before, _, rest = PAGE.read_text().partition(TITLE)
    _, heading, after = rest.partition("\n## ")
    page = f"{before.rstrip()}\n\n{section()}" + (f"\n## {after}" if heading else "")
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
