"""Many command lines in one process, each in a fork made before any device is used.

Starting Python and jax for each would take minutes.
"""

import json
import os
import subprocess
import sys

from tests.training.runs import CHECKOUT

FORKS = """
import importlib, io, json, os, sys
from cnn_history import commands
cases, made = json.load(sys.stdin), []
module = importlib.import_module(f"cnn_history.{sys.argv[1]}")
for name in sys.argv[2:]:
    importlib.import_module(name)
for case in cases:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(write, 1), os.dup2(write, 2)
        sys.argv = [module.__file__, *case]
        commands.run(module.main)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    made.append((os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text))
json.dump(made, sys.stdout)
"""


def run(verb, cases, *imports):
    """Return (exit status, what was printed) of each command line, a list of arguments.

    `imports` are modules that take long to import, and that many of them need.
    """
    result = subprocess.run(
        [sys.executable, "-c", FORKS, verb, *imports],
        cwd=CHECKOUT,
        env={key: value for key, value in os.environ.items() if key != "JAX_ENABLE_X64"},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
