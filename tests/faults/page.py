"""The section of docs/faults.md on what was done to runs, from results/faults/*.json.

./launch.sh python -m tests.faults.page
"""

import collections
import json

from tests.training.runs import CHECKOUT

PAGE = CHECKOUT / "docs" / "faults.md"
RESULTS = CHECKOUT / "results" / "faults"
TITLE = "## Runs killed, stopped, damaged"
KILLS = """\
`python -m tests.faults.kill --kills=N` kills `train` (SIGKILL) at N random instants, in processes
forked from one that has imported it; before that at {points} critical points, such as between the
writing and the renaming of a checkpoint, by faults put in from outside. Its short form,
4 kills, is a test of three quarters of a minute.
A difference is one of any bit of the last state, of a line of metrics, of a file's name. {chains}
chains of lives in {seconds:,.0f} s on two cores, beside other work.

| killed | times | runs lost | different | steps redone, at most | longest recovery |
|---|---|---|---|---|---|
"""
SOAK = """
`python -m tests.faults.soak --steps=100000`: LeNet-5, {steps:,} steps, {looks} checkpoints and
{evaluations} evaluations in {seconds:,.0f} s. After the first quarter a thousand steps changed
its memory by {resident_mb:.2f} MB, its file descriptors by {descriptors:.2f} and its threads by
{threads:.2f}; from the first checkpoint to the last they went from {first} to {last}.

**As printed**, each done to the command (`python -m tests.faults.cases`); `W` is the directory, the
number the exit status:
"""
END = """
* Checkpoints: each of their files in turn truncated, filled with zeros, one bit flipped, deleted
  (`tests/faults/test_damage.py`). Two are kept unless `config.keep_checkpoints` says otherwise.
  Those from before there were checksums are read, and said to be not verified.
* A signal during a compilation ends a run at once (jax 0.11 and 0.12 finish the compilation first;
  nothing is unsaved meanwhile); so it does during an evaluation, unless the evaluation changes the
  state (plateau, true averages), which is finished first. Several processes finish the evaluation
  too.
* The same seed gives the same bits on a CPU: in a second run, resumed at every step, with a cold
  and a warm compile cache (`tests/faults/test_determinism.py`). On a GPU
  `XLA_FLAGS=--xla_gpu_deterministic_ops=true` before the command is XLA's switch for it; not
  measured on a GPU here. `--xla_gpu_exclude_nondeterministic_ops` is reported to refuse the
  gradient of max-pooling (select-and-scatter).
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
        said = case["said"] or ["(nothing beside what it always prints)"]
        text += f"\n* **{case['fault']}** ({case['status']})\n\n"
        text += "".join(f"      {line}\n" for line in said)
    return f"{TITLE}\n\n{text}{END}"


def _held(look: dict) -> str:
    return f"{look['resident_mb']:,.0f} MB, {look['descriptors']} and {look['threads']}"


def main() -> None:
    """Put the section in the place of the one that the page has."""
    before, _, rest = PAGE.read_text().partition(TITLE)
    _, heading, after = rest.partition("\n## ")
    page = f"{before.rstrip()}\n\n{section()}" + (f"\n## {after}" if heading else "")
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
