"""Run a computation in a separate process, with a time limit.

The compiler ignores signals and cannot be stopped within a process.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from cnn_history.errors import UserError


def answer(command: Sequence[str], question: dict, seconds: float) -> dict | None:
    """Return the answer of a command that calls `answering`; None if it takes more than `seconds`.

    Raises UserError if it fails. The command ends when this process ends.
    """
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        clock = threading.Timer(seconds, process.kill)
        clock.start()
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        said = process.stdout.read()
        process.wait()
        late = not clock.is_alive()
        clock.cancel()
    if process.returncode and late:
        return None
    if process.returncode:
        raise UserError(f"the compiling process failed with status {process.returncode}.")
    return json.loads(said)


def answering(respond: Callable[[dict], dict]) -> None:
    """Answer the question of the parent process; end when the parent ends."""
    question = json.loads(sys.stdin.readline())

    def wait():
        os.read(sys.stdin.fileno(), 1)  # returns nothing once the other end is closed
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
    print(json.dumps(respond(question)))
