"""Bounds against counts by hand, kernel by kernel, for bfloat16 on one H200."""

import jax
import pytest

from cnn_history.benchmarks import bounds, ceilings, passes

PEAK, BANDWIDTH = 790e12, 4.3e12  # measured: a matrix product, and a copy on the device
# network, batch, GFLOP an image of a training step; (MB moved, images a second) of each fusion.
COUNTED = [
    ("resnet50_v1_5", 256, 24.30, (371.4, 10_209), (290.6, 13_100), (182.4, 18_508)),
    ("resnet18", 256, 10.65, (80.7, 37_036), (57.9, 49_984), (39.4, 57_444)),
    ("vgg16_bn", 256, 92.65, (408.4, 5_432), (257.2, 7_327), (185.7, 7_556)),
    ("alexnet_2012", 128, 4.14, (39.8, 78_283), (31.6, 93_126), (29.3, 95_273)),
    ("inception_v3", 256, 34.24, (340.3, 10_075), (239.2, 14_193), (172.4, 16_597)),
    ("resnet20", 128, 0.24, (6.2, 680_975), (4.8, 891_954), (3.0, 1_361_078)),
]
# The hand count rounded its passes, and fused pools and response norms in its lower bound.
CLOSE, LOOSE = 0.01, 0.04


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row[0])
def test_bounds_are_those_counted_by_hand(row):
    model, batch, gflop, *counted = row
    found = bounds.bounds(model, "train", batch, 2, PEAK, BANDWIDTH)
    close = CLOSE if model == "resnet50_v1_5" else LOOSE
    for (name, bound), (_, rate) in zip(found.items(), counted, strict=True):
        assert bound.operations == pytest.approx(1e9 * gflop, abs=6e6), name
        assert 1 / bound.seconds == pytest.approx(rate, rel=close), name
    if model == "resnet50_v1_5":
        for bound, (megabytes, _) in zip(found.values(), counted, strict=True):
            assert bound.bytes == pytest.approx(1e6 * megabytes, rel=CLOSE)


def test_fusing_more_and_doing_less_is_never_slower():
    """And inference needs less than training does."""
    train, inference = (
        bounds.bounds("resnet20", mode, 128, 4, PEAK, BANDWIDTH) for mode in passes.FUSIONS
    )
    for made in (train, inference):
        seconds = [made[name].seconds for name in ("compiler", "fused", "least")]
        assert seconds == sorted(seconds, reverse=True)
    assert inference["compiler"].seconds < train["compiler"].seconds / 3
    assert inference["least"].operations == pytest.approx(2 * 40_551_808, rel=0.01)


def test_ceilings_are_measured(monkeypatch):
    monkeypatch.setitem(ceilings.SIZES, jax.default_backend(), (64, 1 << 16))
    found = ceilings.measure("float32", 2, 0.0)
    assert set(found) == {"operations_per_second", "bytes_per_second"}
    assert all(value > 0 for value in found.values())
