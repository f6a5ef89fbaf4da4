"""Compile one program and return its needs: memory, operations and collectives."""

import re
import time
from collections.abc import Callable
from typing import Any

import jax

from cnn_history.errors import UserError
from cnn_history.slices import hlo
from cnn_history.slices.chips import Chip

TOO_LARGE = "RESOURCE_EXHAUSTED"
# The TPU's compiler (libtpu 0.0.42.1): "Ran out of memory on HBM, the total memory required for HLO
# temporaries (17.57G) exceeds available HBM (15.75G)."
NEEDED = re.compile(r"temporaries \(([\d.]+)([KMG])\) exceeds available HBM \(([\d.]+)([KMG])\)")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def compiled(trace: Callable[[], jax.stages.Traced], chip: Chip, state: Any, devices: int) -> dict:
    """Compile a program and return its measurements; bytes and operations are per device.

    Args:
      trace: traces the program.
      chip: the target.
      state: the run's, as shapes.
      devices: number of devices.

    Returns:
      `fits`, `peak_bytes`, `hbm_bytes`, `seconds` (of tracing and compiling). If a program does not
        fit a TPU, `peak_bytes` covers its temporaries only. If it compiles, also `argument_bytes`,
        `temp_bytes`, `flops`, `bytes_accessed`, `bound`, `collectives` and `layout`. For a GPU, a
        program compiles even if it does not fit, and `flops`, `bytes_accessed` and `bound` are
        None.
    """
    began = time.monotonic()
    try:
        program = trace().lower().compile()
    except jax.errors.JaxRuntimeError as error:
        if TOO_LARGE not in str(error):
            raise
        needs = NEEDED.search(str(error))
        if needs is None:
            raise UserError(f"the compiler: {str(error).partition(chr(10))[0]}") from error
        peak, memory = (round(float(needs[i]) * UNITS[needs[i + 1]]) for i in (1, 3))
        seconds = round(time.monotonic() - began, 1)
        return {"fits": False, "peak_bytes": peak, "hbm_bytes": memory, "seconds": seconds}
    seconds = round(time.monotonic() - began, 1)
    needed, costs, text = program.memory_analysis(), program.cost_analysis(), program.as_text()
    counted = {"flops": None, "bytes_accessed": None, "bound": None}  # unknown for GPUs
    if costs:
        flops, accessed = round(costs["flops"]), round(costs["bytes accessed"])
        limits = bound(flops, accessed, chip)
        counted = {"flops": flops, "bytes_accessed": accessed, "bound": limits}
    return {
        "fits": needed.peak_memory_in_bytes <= chip.memory,
        "peak_bytes": needed.peak_memory_in_bytes,
        "argument_bytes": needed.argument_size_in_bytes,
        "temp_bytes": needed.temp_size_in_bytes,
        "hbm_bytes": chip.memory,
        **counted,
        "collectives": hlo.collectives(text, *_sizes(state), devices),
        "layout": hlo.layout_costs(text),
        "seconds": seconds,
    }


def bound(flops: float, accessed: float, chip: Chip) -> dict:
    """Return the chip's binding limit, and the largest reachable share of the other one.

    The roofline of Williams et al. 2009: the number of operations per byte of HBM bounds the share
    of the peak, or of the bandwidth, that a program can reach. A program may stay far below.
    """
    ratio = flops / max(accessed, 1) / (chip.flops / chip.bandwidth)
    return {
        "by": "peak" if ratio > 1 else "bandwidth",
        "most_of_peak": min(1.0, ratio),
        "most_of_bandwidth": min(1.0, 1 / ratio) if ratio else 1.0,
    }


def _sizes(state: Any) -> tuple[set[int], set[int]]:
    """Return the sizes of the parameters, and of the vectors in norms with running statistics."""
    channels = {leaf.size for leaf in jax.tree.leaves(state.model_state)}
    return {leaf.size for leaf in jax.tree.leaves(state.params)}, channels
