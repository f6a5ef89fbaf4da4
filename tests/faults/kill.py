"""Kill `train` at random instants and at every critical one; the result must not change.

    python -m tests.faults.kill --kills=200 --output=results/faults/kills.json

A chain is one work directory: processes are killed one after another until one finishes. Its result
is compared, bit for bit, with that of an uninterrupted run. The seed draws the instants.
"""

import argparse
import functools
import json
import multiprocessing
import pathlib
import random
import re
import shutil
import signal
import tempfile
import time

from cnn_history.files import record
from tests.faults import lives, points

START = 0.2  # the part of the kills that come before a step is made
STRIDE = 12  # most steps of a life that is killed later
MOMENT = 0.1  # seconds after a step within which it is killed
ENDINGS = 2  # kills a chain after the last step; then a life may come to its end
TAIL = 3.0  # the same after the last step, when figures are drawn


def main() -> None:
    """Kill, and write what was found; the status is 1 if anything was lost or differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=6, help="at random instants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=120, help="after which no chain begins")
    parser.add_argument("--output", type=pathlib.Path, help="file.json")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kinds = {"in memory": lives.IN_MEMORY, "streamed": lives.streamed(folder / "photos")}

        @functools.cache
        def whole(kind):
            return _whole(kinds[kind], folder / kind.replace(" ", "_"))

        found = [_at_points(kinds["in memory"], folder / "points", whole("in memory"))]
        rng, left, chain = random.Random(asked.seed), asked.kills, 0
        while left > 0 and time.monotonic() - began < 60 * asked.minutes:
            kind = list(kinds)[chain % len(kinds)]
            one = _chain(kinds[kind], folder / f"chain_{chain}", whole(kind), rng, left)
            found.append({"kind": kind, **one})
            shutil.rmtree(folder / f"chain_{chain}")
            left, chain = left - one["kills"], chain + 1
            print(f"{asked.kills - left} kills: {found[-1]}", flush=True)
            if asked.output:
                _write(asked, found, time.monotonic() - began)
    print(json.dumps(_write(asked, found, time.monotonic() - began), indent=2))
    if any(one["lost"] or one["different"] for one in found):
        raise SystemExit(1)


def _whole(arguments, workdir) -> tuple[pathlib.Path, float]:
    """Return an uninterrupted run, and the seconds until its first step."""
    lives.live(arguments, workdir.with_name(workdir.name + "_first"))  # fills the compile cache
    life = lives.live(arguments, workdir)
    assert life.status == 0, life.said
    return workdir, life.recovery


def _instant(rng, resumed: int, start: float) -> tuple[int, float]:
    """Draw when to kill: while it starts, within twelve steps, or while it draws its figures."""
    if rng.random() < START:
        return 0, rng.uniform(0, start)
    step = min(resumed + rng.randint(1, STRIDE), lives.STEPS)
    return step, rng.uniform(0, TAIL if step == lives.STEPS else MOMENT)


def _chain(arguments, workdir, whole, rng, most) -> dict:
    """Kill lives at random until one ends, at most so many; return what was found."""
    reference, start = whole
    instants, redone, recoveries, lost, ending = [], [], [], [], 0
    while True:
        before = lives.newest_whole(workdir)
        step, seconds = _instant(rng, before, start)
        ending += step == lives.STEPS
        kill = (step, seconds) if len(instants) < most and ending <= ENDINGS else None
        life = lives.live(arguments, workdir, kill)
        resumed = re.search(r"resuming at step (\d+)", life.said)
        if resumed and int(resumed[1]) != before:
            lost.append(f"resumed at {resumed[1]}, not {before}: {life.said}")
        if life.recovery:
            recoveries.append(life.recovery)
        if life.status != -signal.SIGKILL:
            break
        instants.append({"step": step, "seconds": round(seconds, 4), "where": _where(workdir)})
        if life.recovery:
            redone.append(_last_train_step(workdir) - lives.newest_whole(workdir))
    if life.status:
        lost.append(f"status {life.status}: {life.said}")
    return {
        "kills": len(instants),
        "instants": instants,
        "lost": lost,
        "different": lost or _different(workdir, reference),
        "redone": max(redone, default=0),
        "recovery": round(max(recoveries, default=0.0), 2),
    }


def _last_train_step(workdir) -> int:
    return max((line["step"] for line in lives.lines(workdir)), default=0)


def _where(workdir) -> str:
    """Say what a killed run was about, as far as its files show."""
    names = {path.name for path in workdir.glob("checkpoints/*")}
    if any(name.endswith(".unfinished") for name in names):
        return "in a save or a clean-up"
    if str(lives.STEPS) in names:
        return "after the last save: summary and figures"
    return "in steps and evaluations" if names else "before the first save"


def _at_points(arguments, workdir, whole) -> dict:
    """Kill a life at each critical point in turn, then let one end."""
    lost = []
    for name, inject in points.POINTS.items():
        life = lives.live(arguments, workdir, inject=inject)
        if life.status != -signal.SIGKILL:
            lost.append(f"{name}: status {life.status}, not killed: {life.said}")
    life = lives.live(arguments, workdir)
    if life.status:
        lost.append(f"status {life.status}: {life.said}")
    return {
        "kind": "at every critical point",
        "kills": len(points.POINTS),
        "points": list(points.POINTS),
        "lost": lost,
        "different": lost or _different(workdir, whole[0]),
    }


def _different(workdir, whole) -> list[str]:
    """Compare in a process apart, so that this one touches no device, and can be forked again."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(lives.different, (workdir, whole))


def _write(asked, found, seconds) -> dict:
    result = {
        "seed": asked.seed,
        "kills": sum(one["kills"] for one in found),
        "chains": len(found),
        "lost": sum(len(one["lost"]) for one in found),
        "different": sum(len(one["different"]) for one in found),
        "steps_redone_at_most": max(one.get("redone", 0) for one in found),
        "longest_recovery_seconds": max(one.get("recovery", 0.0) for one in found),
        "seconds": round(seconds, 1),
        "found": found,
    }
    if asked.output:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        # Asked of the package alone: which devices there are would touch them, before a fork.
        record.write_json(asked.output, {**result, "versions": record.versions()})
    return result


if __name__ == "__main__":
    main()
