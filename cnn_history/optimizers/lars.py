"""LARS: a separate rate for each layer, for large batches."""

from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax

from cnn_history.choices import GIVEN, Share
from cnn_history.optimizers.rule import Rate, float32_state, scale_by_rate


def lars(
    learning_rate: Rate,
    decay: Share = 0.9,
    trust: float = 0.001,
    vectors: bool = False,
    weight_decay: Annotated[float, GIVEN] = 0.0,
    decayed: Callable[[Any], Any] = lambda params: True,
) -> optax.GradientTransformationExtraArgs:
    r"""$v_{t+1} = m v_t + \gamma_t \lambda^l (g_t + \beta w_t), \quad w_{t+1} = w_t - v_{t+1}$ with
    $\lambda^l = \eta \|w^l\| / (\|g^l\| + \beta \|w^l\|)$ for each layer l.

    You, Gitman, Ginsburg 2017 (arXiv:1708.03888), eq. (6) and algorithm 1. `optax.lars` divides by
    $\|g + \beta w\|$ instead, so that gradient and decay can cancel each other.

    Readings: a layer is one array of parameters. λ is 1 if $\|w\|$ or $\|g\|$ is 0, as in the
    authors' release (NVIDIA's Caffe), optax and timm. By the formula it is 0, and a kernel of
    zeros would never change.

    Arrays of one dimension (biases and the parameters of norms) use the global rate, as in MLPerf's
    reference, which also excludes them from weight decay (`decayed=kernels` in a config). The
    authors' release gives them a λ, with a jump: a bias of zeros takes its first step at the
    global rate γ, typically 1 to 30 with LARS, and the next at about η γ.

    Args:
      learning_rate: γ, a number or a schedule.
      decay: m, the share of the velocity that stays.
      trust: η.
      vectors: whether arrays of one dimension have a λ too, as in the authors' release.
      weight_decay: β; needed here, because λ uses the gradient without it.
      decayed: params -> a tree of bool, or one bool, true for decayed parameters.
    """

    def update(grads, params):
        def local(gradient, w, touched):
            beta = weight_decay if touched else 0.0
            step = gradient + beta * w
            if w.ndim < 2 and not vectors:
                return step
            of_w, of_gradient = jnp.linalg.norm(w.ravel()), jnp.linalg.norm(gradient.ravel())
            moves = (of_w > 0) & (of_gradient > 0)
            below = jnp.where(moves, of_gradient + beta * of_w, 1)
            return jnp.where(moves, trust * of_w / below, 1) * step

        touched = jax.tree.broadcast(decayed(params), params)
        return jax.tree.map(local, grads, params, touched)

    scale = optax.stateless(update)
    return float32_state(optax.chain(scale, scale_by_rate(learning_rate), optax.trace(decay)))
