"""BFGS: an approximate inverse Hessian from past gradients."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from cnn_history.optimizers import size, wolfe

EXACT = jax.lax.Precision.HIGHEST  # accelerators use less by default


class BFGSState(NamedTuple):
    """State of `scale_by_bfgs`, n being the number of parameters.

    Attributes:
      count: number of updates.
      pairs: number of updates that changed the inverse.
      params: parameters before the last update, [n].
      gradient: gradient at these, [n].
      inverse: approximate inverse Hessian, [n, n].
    """

    count: jax.Array
    pairs: jax.Array
    params: jax.Array
    gradient: jax.Array
    inverse: jax.Array


def inverse_update(inverse: jax.Array, step: jax.Array, change: jax.Array) -> jax.Array:
    r"""$H_{k+1} = (I - \rho s y^T) H_k (I - \rho y s^T) + \rho s s^T, \quad \rho = 1 / s^T y$.

    The symmetric matrix nearest to $H_k$ that satisfies the secant equation $H_{k+1} y = s$;
    positive definite where $H_k$ is and $s^T y > 0$. The difference has rank 2:
    $(1 + \rho y^T H y) \rho s s^T - \rho (s y^T H + H y s^T)$ (Nocedal & Wright 2006, eq. 6.17).
    The lecture's "rank 1" is the SR1 update, another method. O(n²).

    Args:
      inverse: $H_k$, [n, n].
      step: s, the change of the parameters, [n].
      change: y, the change of the gradient, [n].
    """
    rho = 1 / jnp.dot(step, change, precision=EXACT)
    moved = jnp.dot(inverse, change, precision=EXACT)
    scale = 1 + rho * jnp.dot(change, moved, precision=EXACT)
    cross = jnp.outer(step, moved)
    return inverse + rho * (scale * jnp.outer(step, step) - (cross + cross.T))


def scale_by_bfgs(largest_gb: float = size.LARGEST_GB) -> optax.GradientTransformation:
    r"""$d = H_k g$, with $H_k$ by `inverse_update`.

    $H_0 = I$, and the first step is at most 1 long. Before the first update, H is scaled to
    $(s^T y / y^T y) I$ (Nocedal & Wright 2006, eq. 6.20). A pair without positive curvature does
    not change H.
    """

    def init(params):
        size.check_precision(params, "bfgs")
        size.check_matrix(params, "bfgs", "inverse Hessian", largest_gb)
        flat, _ = ravel_pytree(params)
        zero = jnp.zeros((), jnp.int32)
        nothing = jnp.zeros_like(flat)
        return BFGSState(zero, zero, nothing, nothing, jnp.eye(flat.size, dtype=flat.dtype))

    def update(updates: Any, state: BFGSState, params: Any):
        at, _ = ravel_pytree(params)
        gradient, unravel = ravel_pytree(updates)
        step, change = at - state.params, gradient - state.gradient
        usable = (state.count > 0) & wolfe.is_curved(step, change)

        def with_pair(inverse):
            scale = jnp.where(state.pairs == 0, step @ change / (change @ change), 1)
            return inverse_update(scale * inverse, step, change)

        inverse = jax.lax.cond(usable, with_pair, lambda inverse: inverse, state.inverse)
        pairs = state.pairs + usable
        towards = jnp.dot(inverse, gradient, precision=EXACT)
        towards *= jnp.where(pairs == 0, jnp.minimum(1, 1 / jnp.linalg.norm(gradient)), 1)
        count = optax.safe_increment(state.count)
        return unravel(towards), BFGSState(count, pairs, at, gradient, inverse)

    return optax.GradientTransformation(init, update)


def bfgs(largest_gb: float = size.LARGEST_GB) -> optax.GradientTransformationExtraArgs:
    r"""$w_{k+1} = w_k - \alpha_k H_k g_k$ (Broyden, Fletcher, Goldfarb, Shanno 1970; lecture).

    $\alpha_k$ by a strong Wolfe line search, `wolfe.follow`; there is no learning rate to set.

    Memory: the [n, n] inverse, 4 n² bytes in float32, and two more such matrices during an update.
    Cost of a step: O(n²), and a value and gradient per trial of the search, usually one.

    `init` raises ValueError for bfloat16 parameters, and if 3 n² numbers exceed `largest_gb`:
    45.7 GB for LeNet-5, 229.7 PB for VGG16.

    Args:
      largest_gb: most memory for these matrices, in 10⁹ bytes.
    """
    return wolfe.follow(scale_by_bfgs(largest_gb))
