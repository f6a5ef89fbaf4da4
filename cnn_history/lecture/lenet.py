"""LeNet-5 (LeCun et al. 1998)."""

from cnn_history.lecture.accounts import account, layer, window
from cnn_history.lecture.claim import AGREES, QUOTED, Claim, Found, slide
from cnn_history.models.lenet5 import C1, C3_INPUTS
from cnn_history.papers import LECUN_1998, MNIST, PUBLISHED


def claims() -> tuple[Claim, ...]:
    """The claims."""
    return slide(
        "LeNet-5",
        (
            "C001",
            "Conv filters 5x5 stride 1; subsampling 2x2 stride 2; CONV-POOL-CONV-POOL-FC-FC",
            AGREES,
            architecture,
        ),
        ("C002", "MNIST dataset introduced in this paper", QUOTED, mnist),
    )


def architecture() -> Found:
    """Windows, strides and the order of the layers."""
    found = account("lenet5").layers
    kinds = ["pool" if "pool" in layer.operation else layer.operation for layer in found]
    windows = {kind: {window(a) for a, k in zip(found, kinds, strict=True) if k == kind}
               for kind in ("conv", "pool")}  # fmt: skip
    right = (
        kinds[:6] == ["conv", "pool", "conv", "pool", "fc", "fc"]
        and windows["conv"] == {"5x5/1"}
        and windows["pool"] == {"2x2/2"}
    )
    connected = sum(len(inputs) for inputs in C3_INPUTS)
    return Found(
        f"conv {'/'.join(windows['conv'])}, pool {'/'.join(windows['pool'])}; "
        f"{'-'.join(kinds).upper()}",
        right,
        f"It is simplified: there are {kinds.count('fc')} dense stages, and in the paper "
        f"subsampling has {layer('lenet5_1998', 's2').parameters} parameters in S2, and C3 has "
        f"{connected} of {C1 * len(C3_INPUTS)} connections.",
    )


def mnist() -> Found:
    """Where the data set comes from."""
    printed = {row.paper for row in PUBLISHED if row.dataset == MNIST}
    words = "'the modified NIST, or MNIST, dataset' (LeCun et al. 1998, sec. III-A)"
    return Found(words, printed == {LECUN_1998})
