"""The real commands, each in a fork of one process that has done the imports but used no device.

Starting Python and jax takes two seconds of processor time, as long as a short run trains, and so
does drawing its figures, which forks skip. Everything else is the real command: its module as run
by `python -m`, flags, output, signals and exit status. Cooperating processes, processes of another
checkout and processes that draw are started anew (`training/runs.start`).
"""

import atexit
import contextlib
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile

import jax

from cnn_history.reporting import figures

CHECKOUT = pathlib.Path(__file__).parents[1]
# What the verbs import, but for their own modules, which define the same flags each.
IMPORTED = [
    "cnn_history.evaluation",
    "cnn_history.lecture",
    "cnn_history.studies",
    "cnn_history.training.loop",
    "sklearn.datasets",
    "tests.forked",
]
# What tests set of jax's variables, and what is read there.
READ = {
    "JAX_COMPILATION_CACHE_DIR": str,
    "JAX_DISABLE_MOST_OPTIMIZATIONS": lambda text: text == "1",
    "JAX_ENABLE_X64": lambda text: text == "1",
    "JAX_NUM_CPU_DEVICES": int,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": float,
}
_CONTEXT = multiprocessing.get_context("forkserver")


class Forked:
    """A command that runs; it is used as `subprocess.Popen` is."""

    def __init__(self, verb: str, arguments: tuple[str, ...], environment: dict[str, str]):
        _serve()
        self._said = [tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile()]  # noqa: SIM115
        command = verb, arguments, environment, [f.name for f in self._said]
        self._process = _CONTEXT.Process(target=_be, args=command)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the signal's number where one killed it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the same."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait; return what it printed and its errors."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked command", timeout)
        return tuple(pathlib.Path(file.name).read_text() for file in self._said)


def _serve() -> None:
    """Start the process that forks, once, from the checkout's folder, where it finds the code."""
    before = pathlib.Path.cwd()
    try:
        os.chdir(CHECKOUT)
        _CONTEXT.set_forkserver_preload(IMPORTED)
        multiprocessing.forkserver.ensure_running()
    finally:
        os.chdir(before)


def _be(verb, arguments, environment, said) -> None:
    """Be the command."""
    for number, name in enumerate(said, start=1):
        with open(name, "w") as file:
            os.dup2(file.fileno(), number)
    _read_again(dict(os.environ), environment)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(CHECKOUT)
    figures.run = lambda *arguments, **options: None
    sys.argv = [verb, *arguments]
    try:
        runpy.run_module(f"cnn_history.{verb}", run_name="__main__", alter_sys=True)
    finally:
        with contextlib.suppress(SystemExit):
            atexit._run_exitfuncs()  # a child of multiprocessing would leave them out


def _read_again(before: dict[str, str], environment: dict[str, str]) -> None:
    """Set what jax has read of another environment as it was imported."""
    for name in {name for name in {*before, *environment} if name.startswith("JAX_")}:
        if before.get(name) != environment.get(name):
            jax.config.update(name.lower(), READ[name](environment.get(name, "0")))
