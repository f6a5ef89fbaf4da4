"""Published figures of TPU chips and GPUs.

Source: Google Cloud, "TPU architecture", the pages of each version
(https://cloud.google.com/tpu/docs/v4, /v5e, /v5p, /v6e; read in November 2026). The peak is for
matrix products in bfloat16; by default, XLA rounds float32 factors to bfloat16 too. GPUs: NVIDIA's
data sheets of the H100 SXM and the H200 SXM, for dense products.

The memory of a TPU is the part that its compiler (libtpu 0.0.42.1) leaves to a program, as stated
in its error messages: 15.75 of the 16 GiB of a v5e.
"""

from typing import NamedTuple

GB, GIB = 10**9, 2**30


class Chip(NamedTuple):
    """Published figures of one chip.

    Attributes:
      kind: its name in a topology.
      memory: bytes of HBM available to a program.
      flops: peak floating-point operations per second, in bfloat16.
      bandwidth: peak bytes per second to and from HBM.
      dimensions: of the torus or mesh that its slices are cut from.
      configuration: for a TPU with two cores, the setting in which jax sees them as one device.
      target: for a GPU, the file in `targets` that describes it to XLA, without memory and
        bandwidth.
    """

    kind: str
    memory: int
    flops: float
    bandwidth: float
    dimensions: int
    configuration: str = ""
    target: str = ""


CHIPS = {
    chip.kind: chip
    for chip in (
        Chip("v4", round(30.75 * GIB), 275e12, 1200e9, 3, configuration="megacore"),
        Chip("v5e", round(15.75 * GIB), 197e12, 819e9, 2),
        Chip("v5p", round(95.74 * GIB), 459e12, 2765e9, 3),
        Chip("v6e", round(31.25 * GIB), 918e12, 1640e9, 2),
        Chip("h100", 80 * GB, 989e12, 3350e9, 1, target="h100.txtpb"),
        Chip("h200", 141 * GB, 989e12, 4800e9, 1, target="h100.txtpb"),  # differs in memory only
    )
}
