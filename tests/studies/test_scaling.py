"""The model of an all-reduce against one simulated message by message."""

import jax
import numpy as np
import pytest

from cnn_history import models
from cnn_history.errors import UserError
from cnn_history.studies import scaling
from cnn_history.studies.scaling import Machine

MACHINE = Machine(rate=100.0, ring=1e6, hop=1e-3)


def make_ring(parts, machine):
    """Let members of a ring add up what they have; return what each ends with, and the seconds.

    In each round every member sends one part to its neighbour, all at the same time.
    """
    members, seconds = len(parts), 0.0
    held = [list(np.array_split(part, members)) for part in parts]
    for turn in range(2 * (members - 1)):
        sent = {}
        for member in range(members):
            chunk = (member - turn) % members
            sent[(member + 1) % members] = chunk, held[member][chunk].copy()
        for member, (chunk, values) in sent.items():
            adds = turn < members - 1
            held[member][chunk] = held[member][chunk] + values if adds else values
        seconds += max(v.nbytes for _, v in sent.values()) / machine.ring + machine.hop
    return [np.concatenate(chunks) for chunks in held], seconds


@pytest.mark.parametrize("members", [2, 3, 8, 16])
def test_a_ring_adds_up_in_the_time_of_the_model(members):
    parts = np.random.default_rng(0).normal(size=(members, members * 30))
    ends, seconds = make_ring(parts, MACHINE)
    for end in ends:
        np.testing.assert_allclose(end, parts.sum(0), rtol=1e-12)
    assert seconds == pytest.approx(scaling.around_ring(parts[0].nbytes, members, MACHINE))


@pytest.mark.parametrize("sides", [(4, 2), (2, 8)])
def test_a_torus_adds_up_in_the_time_of_the_model(sides):
    """Rings along the first dimension, then along the second, of what each member then has."""
    size = 8 * 160
    halves = []
    for a, b in (sides, sides[::-1]):
        along = make_ring(np.zeros((a, size // 2 // 8)), MACHINE)[1]
        halves.append(along + make_ring(np.zeros((b, size // 2 // 8 // a)), MACHINE)[1])
    assert max(halves) == pytest.approx(scaling.over_torus(size, sides, MACHINE))


def test_by_hand():
    row = scaling.row("resnet50", 16, 4096)
    gradient = scaling.exchanged("resnet50").gradient
    assert row["sent_mb"] == pytest.approx(2 * gradient / 1e6, rel=1e-3)
    assert row["compute_ms"] == pytest.approx(16 / 1766 * 1e3)
    hops = 2 * (127 + 31) * 1e-3  # in ms
    assert row["norms_over_all_ms"] == pytest.approx(53 * 3 * hops)
    assert row["ring_ms"] == pytest.approx(2 * gradient / 83.0078e9 * 1e3 + 8.19, rel=1e-3)
    assert row["efficiency_torus"] > 0.58  # nothing but the exchange is counted
    # 56 ms less than an hour's step: 32 servers at 6.25 GB/s.
    assert scaling.goyal() == pytest.approx(0.87, abs=0.005)


def test_norms_of_few_chips_by_hand():
    """64 chips of 8 x 8: half an all-reduce forward, one backward, 3 numbers per channel sent."""
    hops, back = 2 * (7 + 7) * 1e-6, scaling.exchanged("resnet50").back
    sent = 7 * 3 * 4 * 26_560 * 64 / 2 / 8 * (1 + 1 / 8) / 83.0078e9
    found = scaling.seconds_of_norms("resnet50", 64)
    assert found == pytest.approx((53 / 2 + back) * hops + sent, rel=1e-4)


def test_recorded_rows_are_those_of_the_networks():
    """One gather per norm, of 3 float32 per channel; a gradient of 2 bytes per parameter."""
    network, image = models.create("resnet50", num_classes=1000), np.zeros((1, 224, 224, 3))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), image, train=False))
    means = [leaf.size for leaf in jax.tree.leaves(variables["batch_stats"])][::2]
    found = scaling.exchanged("resnet50")
    assert (found.norms, found.told) == (len(means), 3 * 4 * sum(means))
    assert found.back <= len(means)
    assert found.gradient == pytest.approx(2 * 25_557_032, rel=0.005)
    vgg = scaling.exchanged("vgg11")
    assert (vgg.norms, vgg.told, vgg.back) == (0, 0, 0)
    assert vgg.gradient == pytest.approx(2 * 132_863_336, rel=0.001)


def test_vgg_sends_what_it_has():
    row = scaling.row("vgg11", 256, 8)
    gradient = scaling.exchanged("vgg11").gradient
    assert row["sent_mb"] == pytest.approx(2 * 7 / 8 * gradient / 1e6)
    assert row["norms_over_all_ms"] == 0


def test_a_missing_row_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling, "FOLDER", tmp_path)
    scaling.exchanged.cache_clear()
    with pytest.raises(UserError, match="resnet50_v5e_2x4"):
        scaling.exchanged("resnet50")
