"""Run the measurements that need a GPU, the most valuable first, within a given time.

    ./launch.sh python -m tests.on_a_gpu --seconds=600

Each step writes its file to results/ before the next one begins. When time runs out, the step is
stopped by SIGTERM, which saves; the same command resumes there. `--rehearse` uses the smoke run of
each config and the quickest suite instead, and a folder other than results/.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from cnn_history.reporting import results

TO_SAVE = 20.0  # seconds that a stopped step has for its end


class Step(NamedTuple):
    """A command and the file that shows that it is done.

    Attributes:
      output: the file.
      command: a verb and its flags.
      workdir: of a run, whose result is kept in the file; None where the command writes it.
    """

    output: pathlib.Path
    command: tuple[str, ...]
    workdir: pathlib.Path | None = None


def steps(output: pathlib.Path, runs: pathlib.Path, rehearse: bool) -> list[Step]:
    """Return what is measured, in order."""

    def suite(name):
        measured = "input" if rehearse else name
        file = output / "benchmarks" / f"{name}.json"
        against = () if rehearse or name == "levers" else ("--against=torch",)
        return Step(file, ("benchmark", f"--suite={measured}", f"--output={file}", *against))

    def run(name, config, seeds=1):
        config += (",smoke" if ":" in config else ":smoke") if rehearse else ""
        workdir = runs / name
        flags = (f"--config=experiments/{config}", f"--workdir={workdir}", f"--seeds={seeds}")
        return Step(output / f"{name}.json", ("train", *flags), workdir)

    return [
        suite("gpu"),
        run("resnet20", "resnet_cifar10.py:depth=20"),
        run("resnet56", "resnet_cifar10.py:depth=56"),
        run("resnet110", "resnet_cifar10.py:depth=110"),
        run("resnet20_seeds", "resnet_cifar10.py:depth=20", seeds=2 if rehearse else 5),
        run("lenet5_mnist_seeds", "lenet5_mnist.py", seeds=2 if rehearse else 10),
        suite("levers"),
    ]


def finish(step: Step, seconds: float) -> bool:
    """Run a step for so long at most; return whether it is done, and stop it where it is not."""
    step.output.parent.mkdir(parents=True, exist_ok=True)
    verb, *arguments = step.command
    process = subprocess.Popen([sys.executable, "-m", f"cnn_history.{verb}", *arguments])
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(TO_SAVE)
        except subprocess.TimeoutExpired:
            process.kill()
        return False
    if status:
        raise SystemExit(f"on_a_gpu: {' '.join(step.command)} ended with status {status}.")
    if step.workdir:
        results.keep(step.workdir, step.output)
    return True


def measure(todo: list[Step], seconds: float, finish=finish) -> list[Step]:
    """Do what is not done yet until the time is over; return what is left."""
    end = time.monotonic() + seconds
    while todo:
        step, *others = todo
        if not step.output.is_file():
            left = end - time.monotonic() - TO_SAVE
            if left <= 0 or not finish(step, left):
                return todo
        todo = others
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="that all of it may take")
    parser.add_argument("--rehearse", action="store_true", help="short forms, without a GPU")
    parser.add_argument("--output", type=pathlib.Path, default=results.RESULTS)
    parser.add_argument("--runs", type=pathlib.Path, default="runs/on_a_gpu")
    chosen = parser.parse_args()
    todo = steps(chosen.output, chosen.runs, chosen.rehearse)
    left = measure(todo, chosen.seconds)
    for step in todo:
        print(f"{'to do' if step in left else 'done '}  {step.output}")
    print("The same command goes on." if left else "All is measured.")


if __name__ == "__main__":
    main()
