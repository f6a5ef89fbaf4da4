"""A constant leaves one unit; random weights do not."""

from cnn_history.studies import constant_initialization


def test_units_stay_alike():
    rows = constant_initialization.run(steps=30, learning_rate=0.5, seeds=1).rows
    found = {row["start"]: row for row in rows}
    for name in ("W = 0", "W = 0.01", "W = 0.5"):
        assert found[name]["different_hidden_units"] == 1
    assert found["W = 0"]["hidden_weights_moved"] == 0
    assert found["W = 0.01"]["hidden_weights_moved"] > 0
    for name in ("W = 0.01 randn", "Xavier"):
        assert found[name]["different_hidden_units"] == 20
