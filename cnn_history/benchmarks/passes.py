"""The passes of a step over each array, for three degrees of fusion; the basis of the bounds.

A kernel takes at least the time of its operations at the device's peak, and that of its bytes at
the device's bandwidth (Williams, Waterman & Patterson 2009, "Roofline", Comm. ACM 52(4)). The
degree of fusion determines the kernels. Let z be a convolution's result, T its activation, and dz
and dT their gradients.

`compiler`, as XLA: three separate convolutions. A normalized z then takes 8 passes: read z for the
statistics (1), read z and write T (2), read dT and z for the gradient's sums (2), read both again
and write dz (3). Without normalization it takes 6: read z and write T (2), read dT and T and write
dz (3), read dz for the bias (1). A sum of branches: read the shortcut (1), and add the gradients of
both branches behind the activation's mask (4).

`fused`, as hand-written MLPerf kernels: statistics in the convolution's epilogue, normalization and
activation in the next one's prologue. Each gradient reads dT and z instead of dz; the gradient of
the input also reads the input, for its mask and sums. A sum of branches: 3 forward, 5 backward.

`least`: one kernel for both gradients, which reads each array once. A sum of branches: 2 and 2.
"""

from typing import NamedTuple


class Kernel(NamedTuple):
    """The work of a kernel for a layer.

    Attributes:
      operations: operations, in units of the layer's forward pass.
      input: passes over the layer's input.
      output: passes over its result.
      to_input: the part of these three for the input's gradient, which images do not need.
    """

    operations: int
    input: int
    output: int
    to_input: tuple[int, int, int] = (0, 0, 0)


class Fusion(NamedTuple):
    """The kernels of layers with weights, and the passes over sums and concatenations.

    Attributes:
      normalized: kernels of a convolution followed by a normalization.
      plain: kernels of other convolutions and of fully-connected layers.
      sum: passes over a sum of branches.
      concatenation: passes over concatenated branches.
    """

    normalized: tuple[Kernel, ...]
    plain: tuple[Kernel, ...]
    sum: int
    concatenation: int = 0


FORWARD = Kernel(1, 1, 1)
CONVOLUTIONS = (FORWARD, Kernel(1, 1, 1), Kernel(1, 1, 1, to_input=(1, 1, 1)))
TRAIN = {
    "compiler": Fusion(
        (*CONVOLUTIONS, Kernel(0, 0, 8)), (*CONVOLUTIONS, Kernel(0, 0, 6)), sum=5, concatenation=4
    ),
    "fused": Fusion(
        (FORWARD, Kernel(1, 1, 2), Kernel(1, 2, 2, to_input=(1, 2, 2))),
        (FORWARD, Kernel(1, 1, 1), Kernel(1, 2, 1, to_input=(1, 2, 1))),
        sum=8,
    ),
    "least": Fusion(
        (FORWARD, Kernel(2, 2, 2, to_input=(1, 1, 0))),
        (FORWARD, Kernel(2, 2, 1, to_input=(1, 1, 0))),
        sum=4,
    ),
}
INFERENCE = {
    "compiler": Fusion(*[(FORWARD, Kernel(0, 0, 2))] * 2, sum=1, concatenation=2),
    "fused": Fusion((FORWARD,), (FORWARD,), sum=1),
    "least": Fusion((FORWARD,), (FORWARD,), sum=1),
}
FUSIONS = {"train": TRAIN, "inference": INFERENCE}

# Passes over (input, result): each once forward; the gradient of a maximum reads its input again.
POOLS = {
    "train": {"max_pool": (3, 2), "avg_pool": (2, 2), "subsampling": (2, 2)},
    "inference": {"max_pool": (1, 1), "avg_pool": (1, 1), "subsampling": (1, 1)},
}
RESPONSE_NORM = {"train": 5, "inference": 2}  # passes over a local response normalization's result


def parameter_bytes(mode: str, width: int) -> int:
    """Return the bytes moved for each parameter in a step of momentum.

    Args:
      mode: `train` or `inference`.
      width: bytes per value in the computation; parameters and velocity have 4.
    """
    if mode == "inference":
        return width
    used = 2 * width  # read by the forward pass and by the input's gradient
    gradient = 4 + 4
    updated = 4 * 4  # parameter and velocity, read and written
    return used + gradient + updated + (width if width < 4 else 0)  # and the cast copy
