"""With constant weights all units stay equal; with random weights they do not."""

import jax.numpy as jnp

from cnn_history.studies import constant_initialization


def rounded_otherwise(key, shape, dtype=jnp.float32):
    """0.01 everywhere, the last two columns one bit higher, as another order of a sum leaves it."""
    kernel = jnp.full(shape, 0.01, dtype)
    return kernel.at[:, -2:].set(jnp.nextafter(kernel[:, -2:], jnp.float32(1)))


def test_units_stay_alike_on_any_processor(monkeypatch):
    monkeypatch.setitem(constant_initialization.STARTS, "W = 0.01", rounded_otherwise)
    rows = constant_initialization.run(steps=30, learning_rate=0.5, seeds=1).rows
    found = {row["start"]: row for row in rows}
    for name in ("W = 0", "W = 0.01", "W = 0.5"):
        assert found[name]["different_hidden_units"] == 1
    assert found["W = 0"]["hidden_weights_moved"] == 0
    assert found["W = 0.01"]["hidden_weights_moved"] > 0
    for name in ("W = 0.01 randn", "Xavier"):
        assert found[name]["different_hidden_units"] == 20
