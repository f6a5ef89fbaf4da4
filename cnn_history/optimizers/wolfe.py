"""A line search with the strong Wolfe conditions."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

EVALUATIONS = 20


class WolfeState(NamedTuple):
    """States of the direction and of the search, whose `learning_rate` is the last step's length.

    `search.value` and `search.grad` belong to the new parameters, so that
    `optax.value_and_grad_from_state` can reuse them; an infinite value means unknown.
    """

    direction: Any
    search: optax.ScaleByZoomLinesearchState


def follow(direction: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    r"""Step by $-\alpha d$ with $\alpha$ by the strong Wolfe conditions, trying $\alpha = 1$ first.

    $f(w - \alpha d) \le f(w) - c_1 \alpha\, g^T d, \quad
    |\nabla f(w - \alpha d)^T d| \le c_2 |g^T d|$, with $c_1 = 10^{-4}$, $c_2 = 0.9$
    (Nocedal & Wright 2006, eq. 3.7, alg. 3.5 and 3.6; optax's `scale_by_zoom_linesearch`). Each
    trial costs a value and a gradient; there are at most 20.

    A step that would raise the value or make it infinite is not taken: the update and the rate are
    0, and `direction` restarts. This happens if the direction is uphill, as gradients of different
    batches can cause, or if the optimum is reached up to rounding.

    Args:
      direction: gradient -> d, an uphill direction; steps go along -d.
    """
    search = optax.scale_by_zoom_linesearch(EVALUATIONS, initial_guess_strategy="one")

    def init(params):
        return WolfeState(direction.init(params), search.init(params))

    def update(
        updates, state, params, *, value, grad, value_fn, **unused
    ):  # `search` would hand those to value_fn
        towards, direction_state = direction.update(updates, state.direction, params)
        down, known = jax.tree.map(jnp.negative, towards), {"value": value, "grad": grad}
        step, search_state = search.update(down, state.search, params, value_fn=value_fn, **known)
        found = (search_state.info.decrease_error <= 0) | (search_state.value <= value)
        downhill = optax.tree.vdot(towards, grad) > 0

        def anew():
            fresh = init(params)
            none = jnp.zeros_like(search_state.learning_rate)
            search = fresh.search._replace(learning_rate=none, info=search_state.info)
            return optax.tree.zeros_like(step), fresh._replace(search=search)

        return jax.lax.cond(
            found & downhill & (search_state.learning_rate > 0),
            lambda: (step, WolfeState(direction_state, search_state)),
            anew,
        )

    return optax.GradientTransformationExtraArgs(init, update)


def is_curved(step: jax.Array, change: jax.Array) -> jax.Array:
    """Return whether $s^T y > \\epsilon |s| |y|$, where ε is the precision.

    Only then does a positive definite matrix map y to s (Nocedal & Wright, eq. 6.7). The Wolfe
    conditions ensure this if both gradients are of the same function.

    Args:
      step: s, the change of the parameters, [n].
      change: y, the change of the gradient, [n].
    """
    precision = jnp.finfo(step.dtype).eps
    return step @ change > precision * jnp.linalg.norm(step) * jnp.linalg.norm(change)
