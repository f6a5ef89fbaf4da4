"""How often a step passes over each array, by how much is fused: what the bounds are made of.

A kernel takes at least as long as its operations at the device's peak, and as its bytes at the
device's bandwidth (Williams, Waterman & Patterson 2009, "Roofline", Comm. ACM 52(4)). Which kernels
there are depends on what is fused with what; three answers, z being a convolution's result, T the
activation made of it, and d their gradients:

`compiler`, what XLA does: the three convolutions by themselves; of a normalized z then 8 passes,
read for the statistics (1), read and T written (2), dT and z read for the sums of the gradient (2),
read again and dz written (3); without normalization 6, z read and T written (2), dT and T read and
dz written (3), dz read for the bias (1). A sum of branches: the shortcut read (1), the gradients of
both branches added behind the mask of the activation (4).

`fused`, as hand-written kernels of the MLPerf benchmark have it: statistics in the epilogue of the
convolution, normalization and activation in the prologue of the next one. Each gradient reads dT
and z where the compiler's reads dz; that to the input reads the input, too, for its mask and sums.
A sum of branches: 3 forward, 5 backward.

`least`: both gradients in one kernel that reads each array once; a sum: 2 and 2.
"""

from typing import NamedTuple


class Kernel(NamedTuple):
    """What one kernel does for a layer.

    Attributes:
      operations: in those of the layer's forward pass.
      input: passes over the layer's input.
      output: passes over its result.
      to_input: the part of these three that makes the input's gradient; images have none.
    """

    operations: int
    input: int
    output: int
    to_input: tuple[int, int, int] = (0, 0, 0)


class Fusion(NamedTuple):
    """The kernels of each kind of layer, and passes over what has no weights.

    Attributes:
      normalized: of a convolution that a normalization follows.
      plain: of a convolution, or a fully-connected layer, that none follows.
      sum: passes over a sum of branches.
      concatenation: passes over branches that are joined in depth.
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

# (passes over the input, over the result): forward both; backward a maximum reads its input again.
POOLS = {
    "train": {"max_pool": (3, 2), "avg_pool": (2, 2), "subsampling": (2, 2)},
    "inference": {"max_pool": (1, 1), "avg_pool": (1, 1), "subsampling": (1, 1)},
}
RESPONSE_NORM = {"train": 5, "inference": 2}  # passes over a local response normalization's result


def parameter_bytes(mode: str, width: int) -> int:
    """Return the bytes moved for each parameter in a step of momentum.

    Args:
      mode: of the step.
      width: bytes of a number of the computation; parameters and velocity have 4.
    """
    if mode == "inference":
        return width
    used = 2 * width  # read by the forward pass and by the input's gradient
    gradient = 4 + 4
    updated = 4 * 4  # parameter and velocity, read and written
    return used + gradient + updated + (width if width < 4 else 0)  # and the cast copy
