"""L-BFGS: BFGS with the last few pairs instead of a matrix."""

from typing import Any

import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from cnn_history.optimizers import size, wolfe


def scale_by_lbfgs(memory_size: int) -> optax.GradientTransformation:
    """$d = H_k g$ by optax's two-loop recursion, which pairs without positive curvature skip.

    Gradients of different batches can produce such pairs. They count as zeros here; with optax's
    own they would make $H_k$ indefinite. All parameters are one vector, [n], in the state too: XLA
    compiles each operation of the recursion once for every array that it is given.
    """
    rule = optax.scale_by_lbfgs(memory_size)

    def init(params):
        size.check_precision(params, "lbfgs")
        return rule.init(ravel_pytree(params)[0])

    def update(updates: Any, state: optax.ScaleByLBFGSState, params: Any):
        at, _ = ravel_pytree(params)
        gradient, unravel = ravel_pytree(updates)
        usable = wolfe.is_curved(at - state.params, gradient - state.updates)
        state = state._replace(
            params=jnp.where(usable, state.params, at),
            updates=jnp.where(usable, state.updates, gradient),
        )
        towards, state = rule.update(gradient, state, at)
        return unravel(towards), state

    return optax.GradientTransformation(init, update)


def lbfgs(memory_size: int = 10) -> optax.GradientTransformationExtraArgs:
    r"""$w_{k+1} = w_k - \alpha_k H_k g_k$, $H_k$ never formed (Liu & Nocedal 1989; lecture).

    $H_k$ is `bfgs.inverse_update` over the last m pairs $(s, y)$, from
    $(s^T y / y^T y) I$ of the newest (Nocedal & Wright 2006, alg. 7.4 and 7.5);
    $\alpha_k$ by a strong Wolfe line search, `wolfe.follow`; there is no learning rate to set.

    Memory: 2 m + 3 times the parameters. Cost of a step: O(m n), and a value and gradient per
    trial of the search, usually one. L-BFGS is for one deterministic function, such as the loss of
    all examples; with mini-batches, a pair mixes two functions (lecture, "L-BFGS").

    `init` raises ValueError for bfloat16 parameters, and `lbfgs` for a `memory_size` below 1.

    Args:
      memory_size: m.
    """
    return wolfe.follow(scale_by_lbfgs(memory_size))
