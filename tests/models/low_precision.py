"""Gradients in bfloat16 compared with float32, leaf by leaf, for every network.

A leaf has four numbers, each the mean over eight batches: its slope on float32's gradient, its
relative error, and both for a reference: the same network with every operation computed in float32
from bfloat16 values and rounded to bfloat16 (float32 sums of bfloat16 products).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from cnn_history import layers, losses, models
from tests.models import checks

BATCHES = 8
EXAMPLES, FEWER = 16, 4  # in a batch; fewer of images larger than:
LARGEST = 80  # pixels, but for networks with auxiliary heads, which need their own size
SLOPE, ERROR = 0.03, 1.5
# Of its layer's largest gradient. A bias before a norm has none: 1e-7 here, by rounding.
ZERO = 1e-5


class Leaf(NamedTuple):
    """Of a leaf of the gradient: what is found, and what sums in float32 leave."""

    slope: float
    error: float
    least_slope: float
    least: float

    @property
    def within_reach(self) -> bool:
        """Whether float32 sums have the slope 1.

        Below many poolings and normalizations of responses they have not: rounding a product
        changes which of a pooling's values is the largest, and which units are off.
        """
        return abs(self.least_slope - 1) < SLOPE

    @property
    def right(self) -> bool:
        true_slope = 1 if self.within_reach else self.least_slope
        return abs(self.slope - true_slope) < SLOPE and self.error <= ERROR * self.least


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


def beside(found, true):
    """Return the slope on the truth, and the relative error."""
    return np.vdot(found, true) / np.vdot(true, true), np.linalg.norm(
        found - true
    ) / np.linalg.norm(true)


def made(name: str, dtype):
    """Return the network, a residual one with one block of each stage, and its images' size."""
    info, options = models.info(name), models.options(name)
    heads = {"aux_heads": True} if "aux_heads" in options else {}
    size = info.input[0] if heads else min(info.input[0], LARGEST)
    fits = {"fit_classifier": True} if "fit_classifier" in options else {}
    return checks.shallow(models.create(name, dtype=dtype, **heads, **fits)), size


def measure(name: str) -> tuple[dict[str, Leaf], list[str]]:
    """Return the leaves by their paths, and the paths of those whose true gradient is about 0."""
    (narrow, size), (exact, _) = (made(name, dtype) for dtype in (jnp.bfloat16, jnp.float32))
    info, draw = models.info(name), np.random.default_rng(0)
    examples = FEWER if size > LARGEST else EXAMPLES
    shape = (BATCHES, examples, size, size, info.input[-1])
    images = draw.normal(size=shape).astype(np.float32)
    labels = draw.integers(info.classes, size=(BATCHES, examples))
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

    rows, sizes = [], []
    for batch in zip(images, labels, strict=True):
        truth, rounded, wide = (
            by_path(function(params, *batch)) for function in (true, found, with_wide_sums)
        )
        sizes.append({path: np.linalg.norm(leaf) for path, leaf in truth.items()})
        rows.append(
            {
                path: (*beside(rounded[path], leaf), *beside(wide[path], leaf))
                for path, leaf in truth.items()
            }
        )
    leaves = {path: Leaf(*map(float, np.mean([r[path] for r in rows], 0))) for path in rows[0]}
    aside = [path for path in leaves if all(is_zero(path, of_batch) for of_batch in sizes)]
    return {path: leaf for path, leaf in leaves.items() if path not in aside}, aside


def by_path(tree) -> dict[str, np.ndarray]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def is_zero(path: str, sizes: dict[str, float]) -> bool:
    layer = path.rpartition("/")[0]
    return sizes[path] <= ZERO * max(s for p, s in sizes.items() if p.rpartition("/")[0] == layer)


def row(name: str) -> dict:
    """Return the worst of a network's leaves; slopes are those within reach of float32 sums."""
    leaves, aside = measure(name)
    slopes = [leaf.slope for leaf in leaves.values() if leaf.within_reach]
    return {
        "image_size": made(name, jnp.float32)[1],
        "leaves": len(leaves),
        "slope": max(slopes, key=lambda slope: abs(slope - 1)),
        "ratio": max(leaf.error / leaf.least for leaf in leaves.values()),
        "out of reach": {
            path: leaf._asdict() for path, leaf in leaves.items() if not leaf.within_reach
        },
        "about 0": aside,
        "wrong": {path: leaf._asdict() for path, leaf in leaves.items() if not leaf.right},
    }


def table(rows: dict) -> list[str]:
    """Return a line for each network with its worst leaves."""
    columns = ("images", "leaves", "worst slope", "worst error / reference", "about 0")
    columns += ("out of reach", "slopes in the reference", "largest difference from these")
    lines = [" | ".join(("| network", *columns)) + " |", "|---" * (1 + len(columns)) + "|"]
    for name, of_network in rows.items():
        slope, ratio = f"{of_network['slope']:.3f}", f"{of_network['ratio']:.2f}"
        values = name, of_network["image_size"], of_network["leaves"], slope, ratio
        shown = " | ".join(map(str, (*values, len(of_network["about 0"]))))
        lines.append(f"| {shown} | {_out_of_reach(of_network['out of reach'])} |")
    return lines


def _out_of_reach(leaves: dict[str, dict[str, float]]) -> str:
    """Return the number of these leaves, and slopes with float32 sums and beside them."""
    if not leaves:
        return "0 | |"
    least = [leaf["least_slope"] for leaf in leaves.values()]
    apart = max(abs(leaf["slope"] - leaf["least_slope"]) for leaf in leaves.values())
    return f"{len(leaves)} | {min(least):.2f} to {max(least):.2f} | {apart:.4f}"
