"""Invalid weights are named."""

import numpy as np
import pytest

from cnn_history.weights import convert
from cnn_history.weights.convert import not_finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite(value):
    variables = {"params": {"conv1": {"kernel": np.array([1.0, value])}}}
    assert not_finite(variables) == "params/conv1/kernel holds values that are not finite"


def test_a_negative_variance():
    statistics = {"norm1": {"mean": np.array([-1.0]), "var": np.array([1.0, -1e-3])}}
    variables = {"params": {"var": np.array([-1.0])}, "batch_stats": statistics}
    assert not_finite(variables) == "batch_stats/norm1/var holds a negative variance"
    statistics["norm1"]["var"][1] = 0
    assert not_finite(variables) == ""


def test_an_import_names_the_files_own_tensor():
    abstract = {"params": {"fc": {"bias": np.zeros(2, np.float32)}}}
    tensors = {"head.bias": np.array([0, np.nan], np.float32)}
    with pytest.raises(ValueError, match=r"'head.bias' holds values that are not finite"):
        convert(tensors, {"head": "fc"}, abstract)
