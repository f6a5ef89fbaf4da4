"""Real processes of the real commands, on digits."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import orbax.checkpoint as ocp

from tests.forked import Forked

CHECKOUT = pathlib.Path(__file__).parents[2]
UNOPTIMIZED = "JAX_DISABLE_MOST_OPTIMIZATIONS"  # how the tests compile, and no command

# LeNet-5 on digits, short, with all that a run does.
SHORT = (
    "--config=experiments/lenet5_digits.py",
    "--config.steps=120",
    "--config.log_every=10",
    "--config.eval_every=30",
    "--config.checkpoint_every=20",
)


def start(verb, *arguments, cwd=CHECKOUT, **environment):
    """Start a verb anew, by the code of a checkout, where a fork would not do."""
    return subprocess.Popen(
        [sys.executable, "-m", f"cnn_history.{verb}", *arguments],
        cwd=cwd,
        env=environment_of_a_command(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fork(verb, *arguments, **environment):
    """Start a verb as a process that is spared its imports."""
    return Forked(verb, arguments, environment_of_a_command(environment))


def environment_of_a_command(changes):
    """Return the environment without what is set for the tests alone."""
    return {k: v for k, v in os.environ.items() if k != UNOPTIMIZED} | changes


def finish(process, seconds=300):
    """Wait; return (exit status, standard output, standard error)."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def run(verb, *arguments, **environment):
    """Run a verb to its end; return (exit status, standard output, standard error)."""
    return finish(fork(verb, *arguments, **environment))


def state(workdir, step):
    """Return the arrays of a checkpoint, by name."""
    path = pathlib.Path(workdir).absolute() / "checkpoints" / str(step) / "default"
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.restore(path)
    leaves = {}

    def collect(node, name):
        if hasattr(node, "items"):
            for key, value in node.items():
                collect(value, f"{name}/{key}")
        elif isinstance(node, list | tuple):
            for i, value in enumerate(node):
                collect(value, f"{name}/{i}")
        else:
            leaves[name] = node

    collect(tree, "")
    return {name: leaf for name, leaf in leaves.items() if leaf is not None and "key" not in name}


def assert_same_bits(a, b):
    """Compare two states."""
    assert a.keys() == b.keys()
    assert len(a) > 10
    for name in a:
        np.testing.assert_array_equal(np.asarray(a[name]), np.asarray(b[name]), err_msg=name)
