"""Studies of the costs of architectures, against counts by hand."""

import pytest

from cnn_history import accounting
from cnn_history.studies import factorization, inception_cost, receptive_field, vgg_budget
from cnn_history.studies.stack import cost


@pytest.mark.parametrize(
    ("windows", "side"),
    [
        (((3, 3),), 3),
        (((3, 3), (3, 3)), 5),
        (((3, 3), (3, 3), (3, 3)), 7),
        (((5, 5), (3, 3)), 7),
        (((7, 7),), 7),
    ],
)
def test_field_by_the_derivative_is_the_counted_one(windows, side):
    assert receptive_field.field(windows) == side
    assert cost(windows, (32, 32, 4))["counted_field"] == side


def test_cost_of_a_stack():
    found = cost(((3, 3), (1, 5)), (10, 12, 8))
    parameters = 3 * 3 * 8 * 8 + 5 * 8 * 8
    assert found["parameters"] == parameters
    assert found["macs"] == parameters * 10 * 12
    assert found["nonlinearities"] == 2


def test_ratios_of_the_lecture():
    rows = {row["stack"]: row for row in receptive_field.run(channels=16).rows}
    assert rows["3x3 3x3 3x3"]["parameters"] == 3 * 3**2 * 16**2
    assert rows["7x7"]["parameters"] == 7**2 * 16**2
    assert factorization.fewer(((5, 5),), ((3, 3), (3, 3))) == 25 / 18
    for n in (3, 5, 7):
        assert factorization.fewer(((n, n),), ((1, n), (n, 1))) == n / 2


def test_modules_before_factorization():
    """Fig. 6 at width 128: 7x7 from 128 to 192 once, and 128 to 128 to 192, on 17x17."""
    square, _, size = factorization.MODULES["fig. 6, 7x7 as 1x7 and 7x1"]
    ones = 768 * (192 + 128 + 128 + 192)
    weights = ones + 49 * 128 * (192 + 128 + 192)
    assert factorization.totals(square, size)["weights"] == weights
    square, released, size = factorization.MODULES["fig. 5, 5x5 as two 3x3"]
    difference = (25 * 64 - 9 * (64 + 96)) * 96
    found = [factorization.totals(module, size)["weights"] for module in (square, released)]
    assert found[0] - found[1] == difference


def test_maps_of_inception_v3():
    assert factorization.maps(("Mixed_5d", "Mixed_6a", "Mixed_7a", "Mixed_7c")) == [
        (35, 35, 288),
        (17, 17, 768),
        (8, 8, 1280),
        (8, 8, 2048),
    ]


def test_inception_cost():
    naive = {"1x1": 128, "3x3": 9 * 192, "5x5": 25 * 96}
    expected = {name: 28 * 28 * 256 * per for name, per in naive.items()}
    assert inception_cost.operations("naive") == expected
    assert sum(inception_cost.operations("bottleneck").values()) == 271_351_808
    assert inception_cost.depth("naive") == 128 + 192 + 96 + 256
    assert inception_cost.depth("bottleneck") == 128 + 192 + 96 + 64
    terms = inception_cost.operations("bottleneck")
    assert inception_cost.counted_twice(terms, 358) == ["3x3"]


def test_vgg_budget():
    account = accounting.account("vgg16")
    assert account.activations == 15_237_608
    assert vgg_budget.with_relus(account) == 28_793_320
    assert vgg_budget.weights(account) == 138_344_128
    assert vgg_budget.shares(account, vgg_budget.EARLY)[0] == pytest.approx(0.71127, abs=1e-5)
    assert vgg_budget.shares(account, vgg_budget.LATE)[1] == pytest.approx(0.89367, abs=1e-5)
