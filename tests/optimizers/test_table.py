"""Every optimizer in one table: jit, eight devices, resuming, two functions, bfloat16.

A new optimizer is one row of `TABLE`.
"""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import optimizers
from tests.training.runs import CHECKOUT

DEVICES = 8


@dataclasses.dataclass(frozen=True)
class Row:
    """How an optimizer is put to the test.

    Attributes:
      rule: made with a rate that suits both functions.
      rate: the learning rate that it shall say it applied; None if it searches its own.
      parabola, rosenbrock: the value that `steps` updates get below, from 19.3 and 149.
      found: (function, params) -> extra arguments beyond `value`, `grad` and `value_fn`.
      bfloat16: whether it takes parameters of that type; one that does not raises ValueError.
    """

    rule: optax.GradientTransformation
    rate: float | None
    parabola: float
    rosenbrock: float
    steps: int = 400
    found: Callable[[Callable, Any], dict] = lambda function, params: {}
    bfloat16: bool = True


def curvature(function, params):
    """Return the extra argument that finds the sizes on the diagonal of the Hessian."""
    del params

    def diagonal(params):
        flat, unravel = jax.flatten_util.ravel_pytree(params)
        hessian = jax.hessian(lambda flat: function(unravel(flat)))(flat)
        return unravel(jnp.abs(jnp.diagonal(hessian)))

    return {"curvature_fn": diagonal}


TABLE = {
    "sgd": Row(optimizers.sgd(2e-3), 2e-3, 1.5, 0.8),
    "momentum": Row(optimizers.momentum(5e-4), 5e-4, 0.5, 0.4),
    "nesterov": Row(optimizers.nesterov(5e-4), 5e-4, 0.5, 0.4),
    "adagrad": Row(optimizers.adagrad(0.5), 0.5, 1e-2, 0.4),
    "rmsprop": Row(optimizers.rmsprop(1e-2), 1e-2, 1e-2, 0.2),
    "adam_uncorrected": Row(optimizers.adam_uncorrected(2e-2), 2e-2, 1e-2, 0.2),
    "adam": Row(optimizers.adam(2e-2), 2e-2, 1e-2, 0.6),
    "stochastic_diagonal_lm": Row(
        optimizers.stochastic_diagonal_lm(0.2), 0.2, 1e-2, 1.0, found=curvature
    ),
    "newton": Row(optimizers.newton(), 1.0, 1e-9, 1e-9, steps=20, bfloat16=False),
    "bfgs": Row(optimizers.bfgs(), None, 1e-9, 1e-4, steps=100, bfloat16=False),
    "lbfgs": Row(optimizers.lbfgs(), None, 1e-9, 1e-9, steps=100, bfloat16=False),
    "lars": Row(optimizers.lars(0.2, trust=0.05, vectors=True), 0.2, 0.5, 0.4),
    # A kernel of one dimension is no layer: this is its rule for all else; test_kfac.py has layers.
    "kfac": Row(optimizers.kfac(5e-4), 5e-4, 0.5, 0.4),
}


def start(sharding=None, dtype=jnp.float32):
    """Return eight parameters in two leaves, the kernel one cut over the devices."""
    params = {"kernel": np.linspace(-1.2, 1.0, DEVICES), "bias": np.linspace(-1, 2, DEVICES)}
    return jax.tree.map(lambda x: jax.device_put(jnp.asarray(x, dtype), sharding), params)


def parabola(params):
    """A bowl sixteen times as steep along one leaf as along the other; 0 at the origin."""
    return jnp.sum(params["kernel"] ** 2) * 4 + jnp.sum(params["bias"] ** 2) / 4


def rosenbrock(params):
    """The mean of eight of Rosenbrock's valleys; 0 where all parameters are 1."""
    x, y = params["kernel"], params["bias"]
    return jnp.mean((1 - x) ** 2 + 100 * (y - x**2) ** 2)


FUNCTIONS = {"parabola": parabola, "rosenbrock": rosenbrock}


@functools.cache
def update(name, function):
    """Return the compiled step of an optimizer: (params, state) -> (params, state, value)."""
    row, value_fn = TABLE[name], FUNCTIONS[function]
    rule = optax.with_extra_args_support(row.rule)

    @jax.jit
    def step(params, state):
        value, grads = jax.value_and_grad(value_fn)(params)
        updates, state = rule.update(
            grads,
            state,
            params,
            value=value,
            grad=grads,
            value_fn=value_fn,
            **row.found(value_fn, params),
        )
        return optax.apply_updates(params, updates), state, value

    return step


def walk(name, function, steps, params, state=None):
    """Return (params, state, the values on the way) after some steps."""
    state = TABLE[name].rule.init(params) if state is None else state
    values = []
    for _ in range(steps):
        params, state, value = update(name, function)(params, state)
        values.append(value)
    return params, state, np.array(values, float)


def test_no_optimizer_is_forgotten():
    assert set(TABLE) == set(optimizers.OPTIMIZERS)


@pytest.mark.parametrize("name", TABLE)
def test_finds_the_way_down(name):
    row = TABLE[name]
    for function in FUNCTIONS:
        _, state, values = walk(name, function, row.steps, start())
        assert np.isfinite(values).all()
        assert values[-1] < getattr(row, function), function
        assert values[-1] < values[0]
        if row.rate is not None:
            assert float(optimizers.applied_rate(state)) == pytest.approx(row.rate)


@pytest.mark.parametrize("name", TABLE)
def test_saved_and_restored_it_goes_on_to_the_same_bits(name, tmp_path):
    import orbax.checkpoint as ocp

    params, state, _ = walk(name, "rosenbrock", 10, start())
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", (params, state))
        checkpointer.wait_until_finished()
        abstract = jax.eval_shape(lambda: (params, state))
        restored = checkpointer.restore(tmp_path / "state", abstract)
    on = walk(name, "rosenbrock", 10, params, state)
    again = walk(name, "rosenbrock", 10, *restored)
    for a, b in zip(jax.tree.leaves(on), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("name", TABLE)
def test_bfloat16_parameters(name):
    """State in float32, or a clear refusal."""
    row, params = TABLE[name], start(dtype=jnp.bfloat16)
    if not row.bfloat16:
        with pytest.raises(ValueError, match="bfloat16"):
            walk(name, "parabola", 1, params)
        return
    params, state, values = walk(name, "parabola", 50, params)
    assert values[-1] < values[0]
    for leaf in jax.tree.leaves(params):
        assert leaf.dtype == jnp.bfloat16
    for leaf in jax.tree.leaves(state):
        assert leaf.dtype != jnp.bfloat16


def main():
    """Print the parameters after some steps in float64, cut over the devices and on one."""
    jax.config.update("jax_num_cpu_devices", DEVICES)
    jax.config.update("jax_enable_x64", True)
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    cut = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    found = {}
    for name in TABLE:
        ends = [walk(name, "rosenbrock", 20, start(s, jnp.float64))[0] for s in (None, cut)]
        assert ends[1]["kernel"].sharding.is_equivalent_to(cut, 1), ends[1]["kernel"].sharding
        found[name] = [np.concatenate(list(jax.device_get(end).values())).tolist() for end in ends]
    json.dump(found, sys.stdout)


def test_parameters_cut_over_eight_devices():
    code = (
        "from cnn_history.training import devices; devices.start();"
        "from tests.optimizers import test_table; test_table.main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env=os.environ, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    for name, (one, eight) in json.loads(result.stdout).items():
        # Sums over devices are added in another order: a few 1e-16, grown over 20 steps.
        np.testing.assert_allclose(eight, one, rtol=1e-10, err_msg=name)
