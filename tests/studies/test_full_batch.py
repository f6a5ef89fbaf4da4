"""L-BFGS on all images: what the answer says, and the same run by SciPy."""

import itertools

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy import optimize

from cnn_history import models, optimizers
from cnn_history.studies import full_batch, train
from cnn_history.studies.data import images


def runs_of(losses, errors):
    """Return runs of 2 looks with the given last losses and test errors, [seeds]."""
    last = np.stack([np.full_like(losses, 0.1), losses], 1)
    clock = np.tile([1.0, 2.0], (len(losses), 1))
    return full_batch.Point(clock, 10 * clock, clock, last, np.stack([errors, errors], 1))


def test_the_answer_is_made_of_the_numbers():
    few = np.array([0.9e-3, 0.8e-3, 0.7e-3])
    made = {
        "L-BFGS": runs_of(few, np.array([0.05, 0.051, 0.049])),
        "Adam": runs_of(100 * few, np.array([0.04, 0.041, 0.039])),
        "SGD, momentum, decay": runs_of(np.array([2e-3, 0.8e-3, 0.3e-3]), np.full(3, 0.05)),
    }
    rows = [full_batch._row(name, 0.1, {0.1: 0.5}, found) for name, found in made.items()]
    said = full_batch.answer(rows, made, seconds=2)
    assert "L-BFGS 0.0008 and 5.00%, below 0.001 after 2.0 s" in said
    assert "momentum, decay 0.001 and 5.00%, below 0.001 in 2 of 3 runs" in said
    assert "a loss lower by 2.0 decades to 2.0 decades, and a test error higher by 1.00%" in said
    assert said.count("no significantly different") == 2


@pytest.mark.slow
def test_lbfgs_on_lenet5_takes_as_many_steps_as_scipys():
    """From the same weights; one search is not the other, so their numbers differ by a half."""
    learned = images("digits", full_batch.IMAGE_SIZE)[0]
    network, keys = models.create(full_batch.NETWORK), train.keys(0)
    updates_of = train.trainer(network, lambda _: optimizers.lbfgs(), learned, len(learned[0]))
    ours = [float(update.seen) for update in itertools.islice(updates_of(keys), 60)]
    assert all(np.diff(ours) <= 0)

    start = train.starter(network, lambda _: optimizers.lbfgs(), learned[0][:1])
    flat, unravel = ravel_pytree(jax.jit(start)(keys[0], keys[2]).params)

    @jax.jit
    def evaluate(flat):
        def loss(flat):
            logits = network.apply({"params": unravel(flat)}, learned[0], train=True)
            return train.mean_cross_entropy(logits, learned[1])

        return jax.value_and_grad(loss)(flat)

    def function(flat):
        value, gradient = evaluate(flat.astype(np.float32))
        return float(value), np.asarray(gradient, float)

    theirs = [function(flat)[0]]
    options = {"maxcor": 10, "maxiter": 60, "ftol": 0, "gtol": 0}
    optimize.minimize(
        function, np.asarray(flat, float), jac=True, method="L-BFGS-B", options=options,
        callback=lambda flat: theirs.append(function(flat)[0]),
    )  # fmt: skip
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    steps = [int(np.argmax(np.array(losses) < full_batch.END)) for losses in (ours, theirs)]
    print(f"steps to a loss below {full_batch.END:g}: {steps[0]}, SciPy's {steps[1]}")
    assert 0.5 < steps[0] / steps[1] < 1.5
