"""A question put to a process of its own, for so many seconds at most.

The compiler looks for no signals and cannot be stopped within a process.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from cnn_history.errors import UserError


def answer(command: Sequence[str], question: dict, seconds: float) -> dict | None:
    """Return what a command answers, by `answering`; None if it takes more than `seconds`.

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
        raise UserError(f"a process that compiles ended with status {process.returncode}.")
    return json.loads(said)


def answering(respond: Callable[[dict], dict]) -> None:
    """Answer the question of the process that started this one; end when that one ends."""
    question = json.loads(sys.stdin.readline())

    def wait():
        os.read(sys.stdin.fileno(), 1)  # nothing, once the other end is closed
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
    print(json.dumps(respond(question)))
