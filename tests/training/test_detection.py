"""Real processes that find each other by a cluster's environment variables."""

import os
import random
import socket
import subprocess
import sys

import pytest

from tests.training.runs import CHECKOUT

# What both make of an address: a port of this range, by the number of the job.
FIRST_PORT, PORTS = 61_440, 4_096
CODE = """
import jax
from cnn_history.training import processes
processes.join("auto", None, None)
print(jax.process_index(), jax.process_count(), len(jax.devices()), flush=True)
"""


def free_job():
    """Return the number of a job whose port is free."""
    while True:
        job = random.randrange(PORTS)
        with socket.socket() as wanted:
            try:
                wanted.bind(("127.0.0.1", FIRST_PORT + job))
            except OSError:
                continue
            return job


def slurm(job, process):
    """Return the variables of a task, as srun sets them."""
    return {
        "SLURM_JOB_ID": str(job),
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_STEP_NUM_NODES": "2",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(process),
        "SLURM_LOCALID": "0",
    }


def open_mpi(job, process):
    """Return the variables of a rank, as mpirun sets them."""
    return {
        "OMPI_MCA_orte_hnp_uri": f"{job * 4096}.0;tcp://127.0.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": str(process),
        "OMPI_COMM_WORLD_LOCAL_RANK": "0",
    }


@pytest.mark.parametrize("cluster", [slurm, open_mpi])
def test_processes_find_each_other(cluster):
    job = free_job()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CODE],
            cwd=CHECKOUT,
            env={**os.environ, **cluster(job, k), "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for k in range(2)
    ]
    for k, process in enumerate(both):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert out.split() == [str(k), "2", "2"]
