"""Second-order optimizers: Newton, BFGS, L-BFGS."""

import functools

import jax
import jax.numpy as jnp
import optax

from cnn_history import optimizers
from cnn_history.lecture.by_study import outcome
from cnn_history.lecture.claim import AGREES, BY_STUDY, ERRS, Finding, slide
from cnn_history.lecture.read_off import account
from cnn_history.studies import second_order as study

PETA = 1e15
NETWORKS = ("resnet50", "alexnet_2012", "vgg16")
BATCH, SEEDS, PASSES = 64, 3, 60  # PASSES is the budget, in gradients of all images


def one_step() -> Finding:
    """The gradient of a random quadratic after one Newton step."""
    left = study.gradient_after_newton()
    return Finding(f"gradient {left:.1e} after one step on a quadratic of {study.N}", left < 1e-9)


def hessians() -> Finding:
    """The memory of the Hessians of three networks."""
    sizes = {model: account(model).parameters for model in NETWORKS}
    said = [
        f"{model} {study.hessian_bytes(model) / PETA:.1f} PB (N = {n:,})"
        for model, n in sizes.items()
    ]
    return Finding(", ".join(said), all(1e7 < n < 1e9 for n in sizes.values()))


def rank(said: int) -> Finding:
    """The rank of a BFGS update."""
    found = study.update_rank()
    return Finding(
        f"rank {found}",
        found == said,
        f"A BFGS update has rank {found}; its cost is O(n^2) as stated. SR1 has rank 1.",
    )


def memory() -> Finding:
    """The size of L-BFGS's state, compared with that of an inverse Hessian."""
    n = account("alexnet_2012").parameters
    state = jax.eval_shape(optimizers.lbfgs().init, jax.ShapeDtypeStruct((n,), jnp.float32))
    kept = optax.tree.size(state)
    found = batches()
    return Finding(
        f"it stores {kept / n:.0f} N numbers, not N^2, for alexnet_2012's N = {n:,}; "
        f"{found.computed}",
        kept < 100 * n and found.right,
    )


@functools.cache
def batches() -> Finding:
    """The last losses of L-BFGS and tuned momentum, in full batch and in mini-batches."""

    def lead(batch):
        ours, theirs = (
            study.exponents(study.descents(rule, batch, SEEDS, PASSES))
            for rule in ("lbfgs", "momentum")
        )
        return theirs - ours

    full = outcome(lead(None), "in decades of loss, in full batch L-BFGS ends below momentum")
    few = outcome(-lead(BATCH), f"in batches of {BATCH} it ends above momentum")
    return Finding(f"{full.computed}; {few.computed}", full.right and few.right)


CLAIMS = (
    *slide(
        "Newton",
        ("C151", "theta* = theta0 - H^-1 grad; no learning rate", AGREES, one_step),
        ("C152", "Hessian O(N^2) elements, inverse O(N^3), N tens/hundreds of millions", AGREES,
         hessians),
    ),
    *slide(
        "BFGS",
        ("C153", "approximate inverse Hessian with rank 1 updates (O(n^2) each)", ERRS, rank, 1),
    ),
    *slide(
        "L-BFGS",
        ("C154", "does not form/store the full inverse Hessian; full batch good, "
         "mini-batch bad", BY_STUDY, memory),
        ("C166", "works very well in full batch, deterministic mode; does not transfer well to "
         "mini-batches", BY_STUDY, batches),
    ),
)  # fmt: skip
