"""Stochastic diagonal Levenberg-Marquardt, which trained LeNet-5."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_history.choices import SMALLEST, number
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate

Gamma = Annotated[float, number(lambda v: SMALLEST <= v <= 1, " above 0, at most 1")]


class CurvatureState(NamedTuple):
    """Number of updates made, and the second derivatives in use, of the parameters' shapes."""

    count: jax.Array
    curvature: Any


def scale_by_curvature(
    mu: float = 0.02, every: int = 1, gamma: Gamma = 1.0
) -> optax.GradientTransformationExtraArgs:
    r"""$u_k = g_k / (\mu + h_{kk})$, with a new estimate of h every `every` updates.

    An estimate after the first counts $\gamma$, and h before it $1 - \gamma$. `update` takes
    `curvature_fn`, params -> the diagonal h, not negative, with the parameters' shapes. It is
    called only when an estimate is due.
    """

    def init(params):
        return CurvatureState(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params))

    def update(updates, state, params=None, *, curvature_fn: Callable[[Any], Any], **extra):
        share = jnp.where(state.count == 0, 1.0, gamma)

        def averaged():
            found = curvature_fn(params)
            return jax.tree.map(
                lambda old, new: ((1 - share) * old + share * new).astype(new.dtype),
                state.curvature,
                found,
            )

        due = state.count % every == 0
        curvature = jax.lax.cond(due, averaged, lambda: state.curvature)
        updates = jax.tree.map(lambda g, h: g / (mu + h), updates, curvature)
        return updates, CurvatureState(optax.safe_increment(state.count), curvature)

    return optax.GradientTransformationExtraArgs(init, update)


def stochastic_diagonal_lm(
    learning_rate: Rate, mu: float = 0.02, every: int = 1, gamma: Gamma = 1.0
) -> optax.GradientTransformationExtraArgs:
    r"""$w_k \leftarrow w_k - \frac{\eta_t}{\mu + h_{kk}} g_k$, a separate rate for each weight.

    LeCun et al. 1998, appendix C, eq. 21. $h_{kk}$ approximates $\partial^2 E / \partial w_k^2$.
    `update` gets it from its argument `curvature_fn` (the paper's is in `training/curvature.py`),
    and keeps it for a whole pass (sec. III-B).

    Args:
      learning_rate: η, a number or a schedule.
      mu: μ, which bounds the rate in flat directions.
      every: updates between estimates; in the paper, one pass over the training set.
      gamma: weight of a new estimate in a running average with the earlier ones (LeCun et al. 1998,
        "Efficient BackProp", sec. 9.1); 1 forgets these.
    """
    scale = scale_by_curvature(mu, every, gamma)
    return float32_state(optax.chain(scale, scale_by_rate(learning_rate)))
