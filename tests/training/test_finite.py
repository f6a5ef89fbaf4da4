"""Values that are not finite are named, never applied, and skipped if allowed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history.datasets.order import Order
from cnn_history.training import finite, loop, program
from cnn_history.training.keys import keys
from cnn_history.training.log import NonFinite
from experiments import lenet5_digits
from tests.training import runs

pytestmark = pytest.mark.usefixtures("undrawn")

PARAMS = {"conv1": {"bias": jnp.ones(2), "kernel": jnp.ones(3)}, "fc": {"bias": jnp.ones(1)}}
STATISTICS = {"batch_stats": {"norm1": {"mean": jnp.ones(2), "var": jnp.ones(2)}}}
MADE = (jnp.ones((2, 3)), (jnp.ones((2, 4)), (jnp.ones((2, 4)),)), jnp.ones(()), PARAMS, PARAMS)
NAMES = [
    *("input", "logits", "loss"),
    *("gradient of conv1/bias", "gradient of conv1/kernel", "gradient of fc/bias"),
    "norm of the gradient",
    *("update of conv1/bias", "update of conv1/kernel", "update of fc/bias"),
    "norm of the update",
    *("batch_stats/norm1/mean", "batch_stats/norm1/var"),
]


def test_the_first_of_all_quantities_is_named():
    """Each leaf in turn made NaN or infinite, and all that come after it NaN too."""
    look = jax.jit(finite.first_bad)
    assert finite.quantities(PARAMS, STATISTICS) == NAMES
    assert look(*MADE, STATISTICS)[0] == -1
    leaves, tree = jax.tree.flatten((*MADE, STATISTICS))
    alone = [name for name in NAMES if "norm of" not in name]
    alone.insert(2, "logits")  # those of the auxiliary head
    for i, name in enumerate(alone):
        for value in (np.nan, np.inf, -np.inf):
            bad = [x.at[(-1,) * x.ndim].set(value if j == i else np.nan) if j >= i else x
                   for j, x in enumerate(leaves)]  # fmt: skip
            found, _ = look(*jax.tree.unflatten(tree, bad))
            assert NAMES[found] == name


def test_a_norm_that_overflows_is_named_though_each_part_is_finite():
    large = jax.tree.map(lambda x: jnp.full(x.shape, 1e19), PARAMS)
    for place, name in ((3, "norm of the gradient"), (4, "norm of the update")):
        made = [*MADE, STATISTICS]
        made[place] = large
        found, norms = finite.first_bad(*made)
        assert NAMES[found] == name
        assert not np.isfinite(norms[("gradient_norm", "update_norm")[place - 3]])


def config(checkpoint_every=4, **fields):
    """Return twelve steps of LeNet-5 on digits."""
    made = lenet5_digits.get_config("smoke")
    made.update(steps=12, log_every=4, eval_every=12, checkpoint_every=checkpoint_every, **fields)
    return made


@pytest.fixture
def poison(monkeypatch):
    """Return a function that makes the input of the given steps NaN."""

    def at(*steps):
        def batch(taken, cursor, *rest):
            made = whole(taken, cursor, *rest)
            bad = jnp.isin(cursor["step"], jnp.asarray(steps))
            return {**made, "image": jnp.where(bad, jnp.nan, made["image"])}

        monkeypatch.setattr(program, "batch", batch)

    whole = program.batch
    return at


@pytest.mark.parametrize("batch_size", [16, 1])  # 1: several steps a call
def test_a_run_stops_and_says_step_examples_and_quantity(tmp_path, poison, batch_size):
    poison(6)
    with pytest.raises(NonFinite) as error:
        loop.run(config(batch_size=batch_size), tmp_path)
    ids, _ = Order(keys(0).order, 160)(6 * batch_size, 7 * batch_size)
    assert str(error.value).startswith(
        "step 6: the first non-finite quantity is the input (loss nan, gradient norm nan, update "
        f"norm nan), of train[:160]'s examples {', '.join(map(str, ids))}. The update was not "
    )
    assert "config.skipped_steps=1 would skip the step" in str(error.value)
    assert int(runs.state(tmp_path, 4)["/step"]) == 4  # the newest, and whole
    assert not (tmp_path / "checkpoints" / "8").exists()


def test_skipped_steps_leave_nothing_behind_and_resume_exactly(tmp_path, poison, capfd):
    """Step 5 is skipped; 6 is one too many, and not where two are allowed from there on."""
    poison(5, 6)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = loop.run(config(skipped_steps=2), whole)
    assert summary["skipped_steps"] == 2
    said = capfd.readouterr().err
    assert "skipped: step 5: the first non-finite quantity is the input" in said
    assert "skipped: step 6: " in said

    with pytest.raises(NonFinite, match=r"^step 6: .* config\.skipped_steps=2 would"):
        loop.run(config(skipped_steps=1, checkpoint_every=1), parts)
    kept = runs.state(parts, 6)
    assert (int(kept["/step"]), int(kept["/skipped"])) == (6, 1)
    before = runs.state(parts, 5)
    for name in set(kept) - {"/step", "/skipped"}:
        np.testing.assert_array_equal(kept[name], before[name], err_msg=name)
    loop.run(config(skipped_steps=2), parts)
    runs.assert_same_bits(runs.state(whole, 12), runs.state(parts, 12))
    lines = loop.record.read_metrics(whole)
    assert all(np.isfinite(line["loss"]) for line in lines)
