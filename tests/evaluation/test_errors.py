"""A prediction of NaN counts as an error."""

import json

import numpy as np
import pytest

from cnn_history import evaluation
from cnn_history.files import record

PROBABILITIES = np.array([[0.7, 0.3], [0.2, 0.8], [np.nan, np.nan], [0.6, 0.4], [np.inf, 0.0]])


def test_what_is_not_finite_is_an_error_and_is_counted():
    found = evaluation.errors(PROBABILITIES, np.array([0, 1, 0, 1, 0]))
    assert found == {"top1_error": pytest.approx(0.6), "count": 5, "not_finite": 2}
    assert "not_finite" not in evaluation.errors(PROBABILITIES[:2], np.array([0, 1]))


def test_errors_by_class():
    rows = evaluation.per_class(PROBABILITIES, np.array([0, 1, 0, 1, 0]), ("a", "b"))
    assert rows == [
        {"class": "a", "count": 3, "top1_errors": 2, "confused_with": None},
        {"class": "b", "count": 2, "top1_errors": 1, "confused_with": "a"},
    ]


def test_json_has_no_nan():
    found = record.finite({"loss": float("nan"), "rows": [1, (2.0, float("inf"))], "name": "NaN"})
    assert json.dumps(found, allow_nan=False) == (
        '{"loss": null, "rows": [1, [2.0, null]], "name": "NaN"}'
    )
