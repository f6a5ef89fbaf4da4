"""Second-order rules in the step and in a run."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import losses, optimizers
from cnn_history.training import loop
from cnn_history.training.state import State
from cnn_history.training.step import train_step
from experiments import lenet5_digits

pytestmark = pytest.mark.usefixtures("undrawn")


class Net(nn.Module):
    """Dropout and batch norm on the way to three classes."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.tanh(nn.Dense(4)(x.reshape(len(x), -1)))
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(3)(nn.Dropout(0.2, deterministic=not train)(x))


@pytest.mark.parametrize("name", ["newton", "bfgs", "lbfgs"])
def test_a_step_lowers_the_loss_that_its_gradient_is_of(name):
    """The line search sees this batch, this step's dropout, and the decay; a first step shows."""
    options = {"newton": {"damping": 3.0}}.get(name, {})
    rule = optimizers.add_l2(optimizers.OPTIMIZERS[name](1.0, **options), 0.5)
    images = jax.random.normal(jax.random.key(1), (12, 2, 2, 1))
    batch = {"image": images, "label": jnp.arange(12) % 3, "step": jnp.asarray(0)}
    variables = Net().init(jax.random.key(0), images, train=False)
    params, stats = variables["params"], {"batch_stats": variables["batch_stats"]}
    zero = jnp.asarray(0)
    state = State(zero, params, stats, rule.init(params), jax.random.key(2), zero)
    step = functools.partial(
        train_step,
        apply=Net().apply,
        loss=losses.cross_entropy(),
        optimizer=rule,
        applied_rate=optimizers.applied_rate,
    )
    after, metrics = jax.jit(step)(state, batch)
    assert metrics["applied"]

    def objective(params):
        logits, _ = Net().apply(
            {"params": params, **stats},
            images,
            train=True,
            rngs={"dropout": jax.random.fold_in(state.key, 0)},
            mutable=["batch_stats"],
        )
        loss = losses.cross_entropy()(logits, batch["label"]).mean()
        return loss + 0.25 * sum(jnp.sum(p**2) for p in jax.tree.leaves(params))

    slope = sum(
        jnp.vdot(g, new - old)
        for g, new, old in zip(
            *map(jax.tree.leaves, (jax.grad(objective)(params), after.params, params)), strict=True
        )
    )
    assert objective(after.params) <= objective(params) + 1e-4 * slope
    assert float(metrics["learning_rate"]) > 0


@pytest.mark.parametrize("name", ["newton", "lbfgs"])
def test_smoke(name, tmp_path, capsys):
    """By config, on LeNet-5, with a schedule that looks at the error, and what is said of the rate.

    BFGS is refused there (tests/test_wrong_input.py).
    """
    config = lenet5_digits.get_config("smoke")
    config.optimizer.name = name
    config.optimizer.newton.update(damping=1.0, cg_steps=3)
    config.schedule.name = "plateau"
    config.update(steps=2, eval_every=2, checkpoint_every=2, weight_decay=1e-3)
    summary = loop.run(config, tmp_path)
    assert summary["steps"] == 2
    assert np.isfinite(summary["test"]["top1_error"])
    said = {
        "newton": "config.learning_rate=0.05: with newton, a share",
        "lbfgs": "config.schedule, con",
    }
    assert said[name] in capsys.readouterr().err
