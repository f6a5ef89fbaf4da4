"""Optimizers of the second order: Newton, BFGS, L-BFGS."""

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import optimizers
from cnn_history.lecture.accounts import account
from cnn_history.lecture.claim import AGREES, ERRS, Claim, Found, slide
from cnn_history.optimizers.bfgs import inverse_update

BYTES, PETA = 4, 1e15
NETWORKS = ("resnet50", "alexnet_2012", "vgg16")
UNKNOWNS = 6


def claims() -> tuple[Claim, ...]:
    """The claims."""
    return (
        *slide(
            "Newton",
            ("C151", "theta* = theta0 - H^-1 grad; no learning rate", AGREES, one_step),
            ("C152", "Hessian O(N^2) elements, inverse O(N^3), N tens/hundreds of millions", AGREES,
             hessians),
        ),
        *slide(
            "BFGS",
            ("C153", "approximate inverse Hessian with rank 1 updates (O(n^2) each)", ERRS,
             rank, 1),
        ),
    )  # fmt: skip


def quadratic() -> tuple[jax.Array, jax.Array]:
    """Return a positive definite matrix and a vector: f(x) = x'Ax/2 - b'x."""
    draw = np.random.default_rng(0)
    root = draw.normal(size=(UNKNOWNS, UNKNOWNS))
    matrix = root @ root.T + np.eye(UNKNOWNS)
    return jnp.asarray(matrix, jnp.float32), jnp.asarray(draw.normal(size=UNKNOWNS), jnp.float32)


def one_step() -> Found:
    """The gradient of a quadratic after one step."""
    matrix, vector = quadratic()

    def value(x):
        return x @ matrix @ x / 2 - vector @ x

    rule, start = optimizers.newton(), jnp.ones(UNKNOWNS)
    found, slope = value(start), jax.grad(value)(start)
    updates, _ = rule.update(
        slope, rule.init(start), start, value=found, grad=slope, value_fn=value
    )
    before, after = (jnp.linalg.norm(jax.grad(value)(x)) for x in (start, start + updates))
    return Found(
        f"gradient {before:.3g} -> {after:.1e} after one step on a quadratic of {UNKNOWNS}",
        bool(after < 1e-5 * before),
    )


def hessians() -> Found:
    """The memory of Hessians."""
    sizes = {model: account(model).parameters for model in NETWORKS}
    said = [f"{name} {BYTES * n**2 / PETA:.1f} PB (N = {n:,})" for name, n in sizes.items()]
    return Found(", ".join(said), all(1e7 < n < 1e9 for n in sizes.values()))


def rank(said: int) -> Found:
    """The rank of the difference that an update makes."""
    matrix, step = quadratic()
    before = jnp.eye(UNKNOWNS)
    change = np.asarray(inverse_update(before, step, matrix @ step) - before)
    found = int(np.linalg.matrix_rank(change, tol=1e-4 * np.abs(change).max()))
    return Found(
        f"rank {found}",
        found == said,
        f"An update of BFGS has rank {found}, O(n^2) as said; the method with rank 1 is SR1.",
    )
