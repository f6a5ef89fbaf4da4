"""Cooperating processes: joining, and checks that they do the same work.

They exchange texts through process 0's service, without a device, and wait for them in Python, so
that signals and the end of another process (`together`) are noticed.
"""

import contextlib
import functools
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import distributed  # jax has no public name for its service's texts
from jax.experimental import multihost_utils

from cnn_history.datasets import identity
from cnn_history.datasets.identity import Identity
from cnn_history.errors import UserError
from cnn_history.training import devices

ALONE, DETECT = "1", "auto"
PATIENCE = 120  # seconds that the first processes wait for the last one, and for the coordinator
HEARTBEAT = 20  # seconds after which a silent process counts as lost, and the others end
POLL = 0.2  # seconds between two polls for the others' texts
ENDS = "cnn_history/end"  # folder of texts
DETECTED = "Cloud TPU, Slurm, Open MPI or Kubernetes"

_exchanges = itertools.count()  # the same number in every process: all exchange in the same order


def join(processes: str, process: int | None, coordinator: str | None) -> None:
    """Join the other processes; call this before jax uses a device.

    Args:
      processes: number of processes, "1" for this one alone, or "auto" to ask the cluster.
      process: number of this process, from 0.
      coordinator: HOST:PORT at which process 0 listens.

    Raises:
      UserError: the numbers are inconsistent, or there is no cluster. If the others do not join
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
    jax.config.update("jax_enable_preemption_service", False)  # it would handle our signals
    _within_patience(functools.partial(_connect, where), address)


def _connect(where: dict) -> None:
    try:
        jax.distributed.initialize(
            **where,
            initialization_timeout=2 * PATIENCE,  # jax itself would abort without a message
            heartbeat_timeout_seconds=HEARTBEAT,
        )
    except ValueError as error:
        raise UserError(
            f"--processes=auto: this is not a job of {DETECTED}; pass --processes=N --process=K "
            f"--coordinator=HOST:PORT ({error})"
        ) from error
    with _stdout_to_stderr():
        multihost_utils.sync_global_devices("joined")


def _explicit(processes: str, process: int | None, coordinator: str | None) -> dict:
    if not processes.isdecimal() or processes == "0":
        raise UserError(f"--processes: expected a positive number or auto, got '{processes}'.")
    if process is None or not 0 <= process < int(processes):
        raise UserError(f"--process: expected one of 0..{int(processes) - 1}, got {process}.")
    if not coordinator or not coordinator.rpartition(":")[2].isdecimal():
        raise UserError(f"--coordinator: expected HOST:PORT, got '{coordinator or ''}'.")
    return {
        "coordinator_address": coordinator,
        "num_processes": int(processes),
        "process_id": process,
        "cluster_detection_method": "deactivate",
    }


def _all_of_slurm() -> list[int] | None:
    """Return all devices of the host; under Slurm, jax would take only one per task."""
    count = os.environ.get("SLURM_GPUS_ON_NODE")
    return list(range(int(count))) if count else None


def _within_patience(work: Callable[[], None], address: str) -> None:
    """Run `work` in a thread, so that signals arrive; end with a line if it takes too long."""
    raised = []

    def run():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    while thread.is_alive() and time.monotonic() < until:
        thread.join(POLL)
    if thread.is_alive():
        message = f"not all processes met at {address} within {PATIENCE} s; is each one running?"
        print(f"distributed: {message}", file=sys.stderr, flush=True)
        os._exit(1)  # the waiting thread is inside the runtime, and hears no exception
    for error in raised:
        raise error


@contextlib.contextmanager
def _stdout_to_stderr():
    """Redirect the runtime's messages of the first exchange to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def chief() -> bool:
    """Return whether this process is number 0, which writes the shared files."""
    return jax.process_index() == 0


def count() -> int:
    """Return the number of processes; works before a device is used."""
    return distributed.global_state.num_processes or 1


def number() -> int:
    """Return the number of this process; works before a device is used."""
    return distributed.global_state.process_id or 0


def tell(name: str, text: str) -> None:
    """Publish a text to all processes under a new name."""
    distributed.global_state.client.key_value_set(name, text)


def told(folder: str) -> dict[str, str]:
    """Return the texts published in a folder, by name."""
    found = distributed.global_state.client.key_value_dir_get(f"{folder}/")
    return {name.rpartition("/")[2]: text for name, text in found}


def end(status: int, line: str) -> None:
    """Make all processes, including this one, end with a status and a line (`together`)."""
    tell(f"{ENDS}/{number()}", f"{status} {line}")


def everywhere(text: str) -> list[str]:
    """Return the texts of all processes in their order, once all have called this."""
    if count() == 1:
        return [text]
    folder = f"cnn_history/exchange/{next(_exchanges)}"
    tell(f"{folder}/{number()}", text)
    while len(found := told(folder)) < count():
        time.sleep(POLL)
    return [found[str(process)] for process in range(count())]


def from_chief(value: int) -> int:
    """Return process 0's value, in every process."""
    return int(everywhere(str(value))[0])


class Largest:
    """The largest of the processes' numbers in each call, without waiting.

    A single process gets its number at once. Several get the result of the call before, because
    the devices are still exchanging the current numbers.
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
      **what: texts by name, such as `config`; the message names the one that differs.
    """
    first, *others = map(json.loads, everywhere(json.dumps(what)))
    for name in what:
        found = [str(k) for k, other in enumerate(others, start=1) if other[name] != first[name]]
        if found:
            raise UserError(
                f"--processes: process {', '.join(found)} has another {name} than process 0; "
                "start all of them with the same command, from the same checkout."
            )


def agree_on_data(data: Mapping[str, Identity]) -> None:
    """Raise UserError, in every process, unless all of them have the same data, given by use."""
    first, *others = map(json.loads, everywhere(json.dumps(data)))
    for process, other in enumerate(others, start=1):
        for use in data:
            found = identity.differences(*(Identity(*one[use]) for one in (first, other)))
            if found:
                raise UserError(
                    f"config.data_dir: process {process} has other {use} images than process 0: "
                    f"{found}. Give all of them the same data."
                )
