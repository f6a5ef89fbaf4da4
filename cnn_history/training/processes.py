"""Cooperating processes: how they find each other, and whether they are at the same work."""

import contextlib
import hashlib
import os
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from cnn_history.errors import UserError
from cnn_history.training import devices

ALONE, DETECT = "1", "auto"
PATIENCE = 120  # seconds that the first processes wait for the last one, and for the coordinator
HEARTBEAT = 20  # seconds after which a silent process counts as lost, and the others end
DETECTED = "Cloud TPU, Slurm, Open MPI or Kubernetes"


def join(processes: str, process: int | None, coordinator: str | None) -> None:
    """Join the other processes of the program; to be called before jax touches a device.

    Args:
      processes: how many there are, "1" for none but this, "auto" where the cluster says it.
      process: this one's number, from 0.
      coordinator: HOST:PORT at which process 0 listens.

    Raises:
      UserError: the numbers do not fit together, or no cluster is found. If the others do not come
        within PATIENCE seconds, the program ends with a line and status 1.
    """
    if processes == ALONE:
        return
    if processes == DETECT:
        where = {"local_device_ids": _all_of_slurm()}
        address = "the coordinator that the cluster names"
    else:
        where = _explicit(processes, process, coordinator)
        address = coordinator
    with _patience(address):
        try:
            jax.distributed.initialize(
                **where,
                initialization_timeout=2 * PATIENCE,  # jax's own end is an abort without a line
                heartbeat_timeout_seconds=HEARTBEAT,
            )
        except ValueError as error:
            raise UserError(
                f"--processes=auto: this is no job of {DETECTED}; name them by --processes=N "
                f"--process=K --coordinator=HOST:PORT ({error})"
            ) from error
        with _stdout_to_stderr():
            multihost_utils.sync_global_devices("joined")


def _explicit(processes: str, process: int | None, coordinator: str | None) -> dict:
    if not processes.isdecimal() or processes == "0":
        raise UserError(f"--processes: '{processes}' is neither a positive number nor auto.")
    if process is None or not 0 <= process < int(processes):
        raise UserError(f"--process: {process} is not one of 0..{int(processes) - 1}.")
    if not coordinator or not coordinator.rpartition(":")[2].isdecimal():
        raise UserError(f"--coordinator: '{coordinator or ''}' is no HOST:PORT.")
    return {
        "coordinator_address": coordinator,
        "num_processes": int(processes),
        "process_id": process,
        "cluster_detection_method": "deactivate",
    }


def _all_of_slurm() -> list[int] | None:
    """Return all devices of the host: under Slurm jax takes one for each task, and we start one."""
    count = os.environ.get("SLURM_GPUS_ON_NODE")
    return list(range(int(count))) if count else None


@contextlib.contextmanager
def _patience(address: str):
    """End the program with a line if what stands inside takes longer than PATIENCE."""

    def give_up():
        message = f"not all processes met at {address} within {PATIENCE} s; is each one running?"
        print(f"distributed: {message}", file=sys.stderr, flush=True)
        os._exit(1)  # the waiting thread is inside the runtime, and hears no exception

    timer = threading.Timer(PATIENCE, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _stdout_to_stderr():
    """The first exchange makes the runtime talk, on what is for a verb's result alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def watched():
    """Tell in a line that a process was lost when the work inside breaks off, then let jax end us.

    The connection breaks first; which process it was, the runtime knows HEARTBEAT seconds later,
    says so, and aborts with status 134. With process 0 its service is gone, and it aborts at once.
    A process that then waits for the others, as at a checkpoint, has the runtime's words alone.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError:
        if jax.process_count() == 1:
            raise
        message = "another process was lost: the one that the runtime names below, or 0 where its"
        message += " service cannot be reached."
        mend = "The same command, by all processes again, resumes from the last checkpoint."
        print(f"distributed: {message} {mend}", file=sys.stderr, flush=True)
        time.sleep(3 * HEARTBEAT)
        raise


def chief() -> bool:
    """Say whether this is the process that writes what one alone may write."""
    return jax.process_index() == 0


def from_chief(value: int) -> int:
    """Return process 0's value, in every process."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.broadcast_one_to_all(np.asarray(value)))


class Largest:
    """The largest of the numbers that the processes give, call by call, without waiting.

    One process gets its number at once; several get the numbers of the call before, since those of
    this one are still on their way among the devices.
    """

    def __init__(self):
        self._pending = None

    def __call__(self, number: int) -> int:
        """Give this process's number; all processes call in the same order."""
        if jax.process_count() == 1:
            return number
        before = self._pending
        mesh = devices.mesh()
        ours = np.full(jax.local_device_count(), number, np.int32)
        everywhere = jax.make_array_from_process_local_data(devices.over_batch(mesh), ours)
        self._pending = jax.jit(jnp.max, out_shardings=devices.replicated(mesh))(everywhere)
        return 0 if before is None else int(before)


def agree(**what: str) -> None:
    """Raise UserError, in every process, unless all of them have the same texts.

    Args:
      **what: by name, such as `config`; the name of what differs is told.
    """
    if jax.process_count() == 1:
        return
    digests = [hashlib.sha256(text.encode()).digest() for text in what.values()]
    ours = np.frombuffer(b"".join(digests), np.uint8).reshape(len(what), -1)
    theirs = multihost_utils.process_allgather(ours)  # [processes, names, 32]
    for number, name in enumerate(what):
        other = (theirs[:, number] != theirs[0, number]).any(axis=-1)
        if other.any():
            found = ", ".join(map(str, np.flatnonzero(other)))
            raise UserError(
                f"--processes: process {found} has another {name} than process 0; "
                "start all of them with the same command, from the same checkout."
            )
