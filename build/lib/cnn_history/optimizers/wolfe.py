"""Follow a direction as far as the strong Wolfe conditions say."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

EVALUATIONS = 20


class WolfeState(NamedTuple):
    """State of the direction, and of the search: its `learning_rate` is the last step's length.

    `search.value` and `search.grad` are those at the new parameters, so that
    `optax.value_and_grad_from_state` need not compute them again; an infinite value is unknown.
    """

    direction: Any
    search: optax.ScaleByZoomLinesearchState


def follow(direction: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    r"""Step by $-\alpha d$ with $\alpha$ of the strong Wolfe conditions, $\alpha = 1$ tried first.

    $f(w - \alpha d) \le f(w) - c_1 \alpha\, g^T d, \quad
    |\nabla f(w - \alpha d)^T d| \le c_2 |g^T d|$, with $c_1 = 10^{-4}$, $c_2 = 0.9$
    (Nocedal & Wright 2006, eq. 3.7, alg. 3.5 and 3.6; optax's `scale_by_zoom_linesearch`). Each
    trial costs a value and a gradient, and there are at most 20. They are made in a loop, where
    XLA:CPU takes about four times as long for a convolutional network as outside.

    A step that would raise the value, or reach what is not finite, is not taken, be the direction
    uphill, as gradients of different batches can make it, or the optimum reached up to rounding:
    the update is 0, the rate 0, and `direction` starts anew.

    Args:
      direction: gradient -> $d$, uphill, to be followed downwards.
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
    """Say whether $s^T y > \\epsilon |s| |y|$, ε being the precision.

    Only then is there a positive definite matrix that takes y to s (Nocedal & Wright, eq. 6.7).
    The Wolfe conditions see to it, where both gradients are of one function.

    Args:
      step: s, [n].
      change: y, that of the gradient, [n].
    """
    precision = jnp.finfo(step.dtype).eps
    return step @ change > precision * jnp.linalg.norm(step) * jnp.linalg.norm(change)
