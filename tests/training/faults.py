"""Inject a fault into one of two cooperating processes, and record what both do.

    ./launch.sh python -m tests.training.faults --output=results/processes/faults.json

injects each of FAULTS into real processes of the real command, and records how they end, their
messages, the time, and the step at which the same command resumes.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import tempfile
import time

from cnn_history.files import record
from tests.training import runs

STEPS, SAVED_EVERY = 30, 10
CONFIG = (
    "--config=experiments/lenet5_digits.py",
    f"--config.steps={STEPS}",
    "--config.dtype=float64",
    "--config.log_every=1",
    "--config.eval_every=10",
    f"--config.checkpoint_every={SAVED_EVERY}",
    "--config.eval_batch_size=14",  # 360 test images: the last batch is not full
)
SLOW_SECONDS = 5  # that a process stands still, less than its heartbeat may be silent


def start(count, *arguments, folders=(runs.CHECKOUT, runs.CHECKOUT), verb="train"):
    """Start `count` processes with the same arguments, or with a tuple of them for each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    if not isinstance(arguments[0], tuple):
        arguments = [arguments] * count
    return [
        runs.start(
            verb,
            *arguments[k],
            f"--processes={count}",
            f"--process={k}",
            f"--coordinator={address}",
            cwd=folders[k],
            JAX_ENABLE_X64="1",
        )
        for k in range(count)
    ]


def lines(folder):
    """Return the lines of metrics.jsonl without what depends on the clock."""
    path = folder / "metrics.jsonl"
    clock = ("seconds", "images_per_second", "data_wait")
    texts = path.read_text().splitlines() if path.exists() else []
    return [
        {k: v for k, v in json.loads(text).items() if k not in clock}
        for text in texts
        if text.endswith("}")
    ]


def saved(folder):
    """Return the steps of the checkpoints."""
    return [int(p.name) for p in (folder / "checkpoints").glob("*") if p.name.isdigit()]


def wait_for(condition, processes=(), seconds=300):
    """Wait until the condition holds, while the processes go on."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        ended = [runs.finish(process) for process in processes if process.poll() is not None]
        assert not ended, ended
        time.sleep(0.05)


def kill(number, folder):
    """SIGKILL to a process, some steps after the first checkpoint."""
    both = start(2, *CONFIG, f"--workdir={folder}")
    wait_for(lambda: len(lines(folder)) > SAVED_EVERY + 3, both)
    both[number].kill()
    return _ends(both, time.monotonic())


def terminate(number, folder):
    """SIGTERM to a process, in mid-course."""
    both = start(2, *CONFIG, f"--workdir={folder}")
    wait_for(lambda: len(lines(folder)) > 5, both)
    both[number].send_signal(signal.SIGTERM)
    return _ends(both, time.monotonic())


def slow_down(number, folder, then=None):
    """A process stands still for some seconds, and goes on; after it a fault may follow."""
    both = start(2, *CONFIG, f"--workdir={folder}")
    wait_for(lambda: len(lines(folder)) > 5, both)
    both[number].send_signal(signal.SIGSTOP)
    time.sleep(SLOW_SECONDS)
    both[number].send_signal(signal.SIGCONT)
    since = time.monotonic()
    if then is not None:
        wait_for(lambda: len(lines(folder)) > SAVED_EVERY + 3, both)
        both[then].kill()
        since = time.monotonic()
    return _ends(both, since)


def other_config(number, folder):
    """A process is started with another learning rate."""
    same = (*CONFIG, f"--workdir={folder}")
    commands = [same, same]
    commands[number] = (*same, "--config.learning_rate=0.5")
    return _ends(start(2, *commands), time.monotonic())


def other_code(number, folder):
    """A process is started from a checkout with another line of code."""
    with tempfile.TemporaryDirectory() as copy:
        for part in ("cnn_history", "experiments"):
            shutil.copytree(runs.CHECKOUT / part, f"{copy}/{part}")
        with open(f"{copy}/cnn_history/schedules.py", "a") as file:
            file.write("\n# another line\n")
        folders = [runs.CHECKOUT] * 2
        folders[number] = copy
        environment = {"CNN_HISTORY_COMMIT": record.commit()}  # the copy has no git to ask
        with _environment(environment):
            both = start(2, *CONFIG, f"--workdir={folder}", folders=folders)
        return _ends(both, time.monotonic())


FAULTS = {
    "a worker killed": (kill, 1),
    "the coordinator killed": (kill, 0),
    "a worker signalled (SIGTERM)": (terminate, 1),
    "the coordinator signalled (SIGTERM)": (terminate, 0),
    f"a worker stands still for {SLOW_SECONDS} s": (slow_down, 1),
    f"the coordinator stands still for {SLOW_SECONDS} s": (slow_down, 0),
    "another config": (other_config, 1),
    "another line of code": (other_code, 1),
}


class _environment:
    """While entered, the variables are set."""

    def __init__(self, variables):
        self._variables = variables

    def __enter__(self):
        os.environ.update(self._variables)

    def __exit__(self, *exception):
        for name in self._variables:
            del os.environ[name]


def _ends(processes, since):
    """Return status, standard error and seconds until the end of each, and the seconds of all."""
    made = [runs.finish(process) for process in processes]
    return [(status, err) for status, _, err in made], time.monotonic() - since


def said(err):
    """Return what tells what happened, of a standard error: our lines, and the runtime's words."""
    ours = re.findall(r"^(?:distributed|train): .*", err, re.M)
    theirs = re.findall(r"heartbeats\):\n\d+|Task \d+ heartbeat timeout|[A-Z]+: Socket closed", err)
    return [*ours, *(" ".join(text.split()) for text in theirs[:1])]


def main(output):
    """Do all of it, and write the table."""
    folder, rows = pathlib.Path(tempfile.mkdtemp()), []
    for i, (name, (do, number)) in enumerate(FAULTS.items()):
        where = folder / str(i)
        ends, seconds = do(number, where)
        row = {"fault": name, "statuses": [status for status, _ in ends]}
        row |= {"seconds": round(seconds, 1), "said": said(ends[1 - number][1])}
        row["checkpoints"] = sorted(saved(where))
        if where.exists() and STEPS not in row["checkpoints"]:
            status, _, err = runs.run("train", *CONFIG, f"--workdir={where}", JAX_ENABLE_X64="1")
            assert status == 0, err
            row["resumed_at"] = int(re.search(r"resuming at step (\d+)", err)[1])
        rows.append(row)
        print(json.dumps(row), flush=True)
    what = "two processes on one machine; seconds from the fault, or the start, to the last end"
    found = {"what": what, "device": record.devices(), "versions": record.versions()}
    record.write_json(output, {**found, "commit": record.commit(), "rows": rows})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1].removeprefix("--output=")))
