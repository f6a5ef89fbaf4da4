"""Gradients in bfloat16 are those of float32, but for roundings: no sum is formed in bfloat16.

Each leaf's gradient is compared with float32's over eight batches: its slope on the true one is 1
within 3 %, and its relative error at most 1.5 times that of the same network of which every
operation is computed in float32, from values in bfloat16, and rounded to that: float32 sums of
bfloat16 products.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from cnn_history import layers, losses, models
from tests.models import checks

BATCHES, EXAMPLES = 8, 16
SLOPE, ERROR = 0.03, 1.5
ORDINARY = ("lenet5", "lenet5_1998", "resnet20")
NETWORKS = [
    name if name in ORDINARY else pytest.param(name, marks=pytest.mark.slow)
    for name in checks.DISTINCT
]


def evaluated(jaxpr: core.ClosedJaxpr, *arguments):
    """Evaluate, every operation on numbers in float32, its results rounded to their own dtype."""
    values = dict(zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True))
    values |= zip(jaxpr.jaxpr.invars, arguments, strict=True)

    def wide(value):
        return value.astype(jnp.float32) if jnp.result_type(value) == jnp.bfloat16 else value

    for eqn in jaxpr.eqns:
        read = [v.val if isinstance(v, core.Literal) else values[v] for v in eqn.invars]
        inner = [p for p in eqn.params.values() if isinstance(p, core.ClosedJaxpr)]
        if inner:
            made = evaluated(inner[0], *read)
        else:
            params = {
                k: jnp.float32 if k == "preferred_element_type" and v == jnp.bfloat16 else v
                for k, v in eqn.params.items()
            }
            if "update_jaxpr" not in params:  # a scatter here, which sets values
                read = map(wide, read)
            made = eqn.primitive.bind(*read, **params)
            made = made if eqn.primitive.multiple_results else [made]
        rounded = [
            m.astype(v.aval.dtype) if v.aval.dtype == jnp.bfloat16 else m
            for m, v in zip(made, eqn.outvars, strict=True)
        ]
        values |= zip(eqn.outvars, rounded, strict=True)
    return [v.val if isinstance(v, core.Literal) else values[v] for v in jaxpr.jaxpr.outvars]


def gradient(network, state, params, images, labels):
    def objective(params):
        logits, _ = network.apply(
            {"params": params, **state},
            images,
            train=True,
            rngs={"dropout": jax.random.key(1)},
            mutable=["batch_stats"],
        )
        loss = losses.cross_entropy()
        return sum(jnp.mean(loss(each, labels)) for each in jax.tree.leaves(logits))

    return jax.grad(objective)(params)


def relative_error(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_in_bfloat16(name):
    info = models.info(name)
    heads = {"aux_heads": True} if "aux_heads" in models.options(name) else {}
    made = functools.partial(models.create, name, **heads)
    narrow, exact = (checks.shallow(made(dtype=d)) for d in (jnp.bfloat16, jnp.float32))
    draw = np.random.default_rng(0)
    images = draw.normal(size=(BATCHES, EXAMPLES, *info.input)).astype(np.float32)
    labels = draw.integers(info.classes, size=(BATCHES, EXAMPLES))
    state = dict(checks.init(exact, images[0, :1]))
    params = state.pop("params")
    true = jax.jit(functools.partial(gradient, exact, state))
    found = jax.jit(functools.partial(gradient, narrow, state))

    @jax.jit
    def with_wide_sums(*arguments):
        with layers.as_written():
            jaxpr = jax.make_jaxpr(functools.partial(gradient, narrow, state))(*arguments)
        made = evaluated(jaxpr, *jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(params), made)

    slopes, errors, least = [], [], []
    for batch in zip(images, labels, strict=True):
        truth = jax.tree.map(np.asarray, true(params, *batch))
        rounded = found(params, *batch)
        slopes.append(jax.tree.map(lambda a, b: np.vdot(a, b) / np.vdot(b, b), rounded, truth))
        for made, kept in ((rounded, errors), (with_wide_sums(params, *batch), least)):
            kept.append(jax.tree.map(relative_error, made, truth))
    mean = functools.partial(jax.tree.map, lambda *each: float(np.mean(each)))
    table = jax.tree.map(lambda *row: row, mean(*slopes), mean(*errors), mean(*least))
    wrong = {
        jax.tree_util.keystr(path, simple=True, separator="/"): row
        for path, row in jax.tree_util.tree_leaves_with_path(
            table, is_leaf=lambda node: isinstance(node, tuple)
        )
        if not (abs(row[0] - 1) < SLOPE and row[1] <= ERROR * row[2])
    }
    assert not wrong
