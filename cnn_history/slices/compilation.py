"""One program compiled: what it needs, and what it says of itself."""

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
    """Return what compiling a program shows; all bytes and operations are those of one device.

    Args:
      trace: the program.
      chip: that it is compiled for.
      state: of the run, as shapes.
      devices: their number.

    Returns:
      `fits`, `peak_bytes`, `hbm_bytes`, `seconds` (of tracing and compiling). Where a program does
      not fit a TPU, `peak_bytes` is what its temporaries alone need. Where it compiles,
      `argument_bytes`, `temp_bytes`, `flops`, `bytes_accessed`, `bound`, `collectives`, `layout`
      too. For a GPU it compiles whether it fits or not, and `flops`, `bytes_accessed`, `bound` are
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
    counted = {"flops": None, "bytes_accessed": None, "bound": None}  # XLA does not tell of GPUs
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
    """Return which of the chip's limits comes first, and the most that the other one leaves.

    The roofline of Williams et al. 2009: with so many operations for each byte of HBM, a program
    can reach no more than that share of the peak, or of the bandwidth. Both are bounds; no program
    has to come near them.
    """
    ratio = flops / max(accessed, 1) / (chip.flops / chip.bandwidth)
    return {
        "by": "peak" if ratio > 1 else "bandwidth",
        "most_of_peak": min(1.0, ratio),
        "most_of_bandwidth": min(1.0, 1 / ratio) if ratio else 1.0,
    }


def _sizes(state: Any) -> tuple[set[int], set[int]]:
    """Return the sizes of parameters, and those of the vectors of norms that keep statistics."""
    channels = {leaf.size for leaf in jax.tree.leaves(state.model_state)}
    return {leaf.size for leaf in jax.tree.leaves(state.params)}, channels
