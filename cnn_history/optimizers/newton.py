"""Newton's method, with the Hessian or only its products."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from cnn_history.choices import NotNegative, checked
from cnn_history.optimizers import size
from cnn_history.optimizers.rule import Rate, scale_by_rate

FORMED_UP_TO = 2_000  # parameters, for `auto`: a Hessian of 16 MB, a factorization of 3 GFLOP
COLUMNS = 64  # of the Hessian, computed at a time
RESIDUAL = 1e-5  # |H d - g| / |g| at which conjugate gradients stop
Times = Callable[[jax.Array], jax.Array]


def hessian(gradient: Times, at: jax.Array) -> jax.Array:
    """Return the derivative [n, n] of `gradient`, [n] -> [n], computed COLUMNS at a time."""
    _, times = jax.linearize(gradient, at)
    return jax.lax.map(times, jnp.eye(at.size, dtype=at.dtype), batch_size=COLUMNS)


def conjugate_gradients(times: Times, gradient: jax.Array, steps: int) -> jax.Array:
    """Return d with H d = g, or an approximation for which -d is a descent direction.

    The iteration stops at a residual of 1e-5, after `steps`, or at a direction p without positive
    curvature, p·Hp <= 0. It then returns the current d; if p is the first direction, g itself,
    which is steepest descent (Nocedal & Wright 2006, alg. 7.1, "line search Newton-CG").

    Args:
      times: v -> H v, [n] -> [n].
      gradient: g, [n].
      steps: most products with H.
    """
    enough = (RESIDUAL * jnp.linalg.norm(gradient)) ** 2

    def goes_on(loop):
        count, upwards, _, _, _, square = loop
        return (count < steps) & upwards & (square > enough)

    def advance(loop):
        count, _, found, rest, along, square = loop
        product = times(along)
        curvature = along @ product
        upwards = curvature > 0
        length = square / jnp.where(upwards, curvature, 1)
        after = rest - length * product
        new_square = after @ after
        stay = jnp.where(count == 0, gradient, found)
        found = jnp.where(upwards, found + length * along, stay)
        along = after + new_square / square * along
        return count + 1, upwards, found, after, along, new_square

    nothing = jnp.zeros_like(gradient)
    first = (0, True, nothing, gradient, gradient, gradient @ gradient)
    return jax.lax.while_loop(goes_on, advance, first)[2]


def solve(matrix: jax.Array, gradient: jax.Array, steps: int) -> jax.Array:
    """Return d with H d = g by Cholesky; by conjugate gradients if H is not positive definite."""
    factor = jax.scipy.linalg.cho_factor(matrix, lower=True)
    return jax.lax.cond(
        jnp.isfinite(factor[0]).all(),
        lambda: jax.scipy.linalg.cho_solve(factor, gradient),
        lambda: conjugate_gradients(
            lambda v: jnp.dot(matrix, v, precision=jax.lax.Precision.HIGHEST), gradient, steps
        ),
    )


@checked
def newton(
    learning_rate: Rate = 1.0,
    damping: NotNegative = 0.0,
    solver: Literal["auto", "exact", "cg"] = "auto",
    cg_steps: int = 100,
    largest_gb: float = size.LARGEST_GB,
) -> optax.GradientTransformationExtraArgs:
    r"""$w_{t+1} = w_t - \epsilon_t (\nabla^2 f(w_t) + \lambda I)^{-1} \nabla f(w_t)$ (lecture).

    Exact: the Hessian [n, n] column by column, and its Cholesky factor; n products, O(n³)
    operations, 3 n² numbers. Hessian-free: conjugate gradients with products $H v$ (Martens 2010),
    each costing about two gradients; O(n) memory. With ε = 1 and λ = 0, both reach the minimum of
    a positive definite quadratic in one step.

    The Hessian of a network is rarely positive definite, and pure Newton would go to saddle points.
    Both solvers then go only as far as conjugate gradients find positive curvature, so that every
    step points downhill. Without a line search a step may be too long; damping shortens it.

    `init` raises ValueError for bfloat16 parameters, and if the 3 n² numbers of an exact Hessian
    exceed `largest_gb`: 229.7 PB for VGG16. `newton` raises one for an argument out of range.

    Args:
      learning_rate: ε, a number or a schedule.
      damping: λ, added to the diagonal (Levenberg 1944).
      solver: `exact`, `cg`, or `auto`: exact up to 2,000 parameters.
      cg_steps: most products with the Hessian per step.
      largest_gb: most memory for the matrices, in 10⁹ bytes.
    """

    def is_formed(params):
        return solver == "exact" or (solver == "auto" and optax.tree.size(params) <= FORMED_UP_TO)

    def init(params):
        size.check_precision(params, "newton")
        if is_formed(params):
            size.check_matrix(params, "newton", "Hessian", largest_gb)
        return optax.EmptyState()

    def update(updates: Any, state: optax.EmptyState, params: Any, *, value_fn, **unused):
        at, unravel = ravel_pytree(params)
        gradient, _ = ravel_pytree(updates)
        slope = jax.grad(lambda flat: value_fn(unravel(flat)))
        if is_formed(params):
            matrix = hessian(slope, at) + damping * jnp.eye(at.size, dtype=at.dtype)
            towards = solve(matrix, gradient, cg_steps)
        else:
            _, product = jax.linearize(slope, at)
            towards = conjugate_gradients(lambda v: product(v) + damping * v, gradient, cg_steps)
        return unravel(towards), state

    scale = optax.GradientTransformationExtraArgs(init, update)
    return optax.chain(scale, scale_by_rate(learning_rate))
