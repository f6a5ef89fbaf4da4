"""Gradients in bfloat16 equal those of float32 up to rounding: no sum is formed in bfloat16.

A leaf's slope on the true gradient is within 3 % of 1, or of the slope of the reference (float32
sums of bfloat16 products) if that is not within 3 % of 1. Its relative error is at most 1.5 times
the reference's.
"""

import pytest

from tests.models import checks, low_precision

ORDINARY = ("lenet5", "lenet5_1998", "resnet20")
NETWORKS = [
    name if name in ORDINARY else pytest.param(name, marks=pytest.mark.slow)
    for name in checks.DISTINCT
]


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_in_bfloat16(name):
    leaves, aside = low_precision.measure(name)
    assert len(leaves) > len(aside)
    assert not {path: leaf for path, leaf in leaves.items() if not leaf.right}
