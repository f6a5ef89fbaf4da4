"""K-FAC: the natural gradient with Kronecker-factored curvature."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_history.choices import Share, checked
from cnn_history.optimizers import kronecker
from cnn_history.optimizers.kronecker import Pair
from cnn_history.optimizers.rule import Rate, float32_state, rate_at, schedule_state
from cnn_history.schedules import PlateauState


class KfacState(NamedTuple):
    """The state of `kfac` without the velocity.

    Attributes:
      count: number of updates.
      learning_rate: rate of the last update.
      factors: running averages of A and G, by layer.
      inverses: inverses of the damped factors, by layer, renewed every `inverses_every` steps.
      schedule: state of the schedule, as in `RateState`.
    """

    count: jax.Array
    learning_rate: jax.Array
    factors: dict[str, Pair]
    inverses: dict[str, Pair]
    schedule: PlateauState | tuple[()] = ()


def of_no_layer(labels: str) -> dict[str, Pair]:
    """Return no factors, for a network without layers that have them."""
    return {}


@checked
def kfac(
    learning_rate: Rate,
    damping: float = 1e-2,
    kl_clip: float = 1e-3,
    decay: Share = 0.9,
    factor_decay: Share = 0.95,
    factors_every: int = 1,
    inverses_every: int = 20,
    labels: Literal["sampled", "empirical"] = "sampled",
    largest_factor: int = 8192,
) -> optax.GradientTransformationExtraArgs:
    r"""$V_{t+1} = \mu V_t - \epsilon_t \nu_t A^{-1} (\nabla_W h) G^{-1}, \quad W_{t+1} = W_t +
    V_{t+1}$ for each layer's matrix W, A and G being its damped factors.

    Martens & Grosse 2015 (arXiv:1503.05671) for dense layers, Grosse & Martens 2016
    (arXiv:1602.01407) for convolutions, and the distributed form of Ba et al. 2017, with constant
    damping, a bound on the step's length, and expensive work only every few steps.

    * Layers: each `kernel` of 2 or 4 dimensions with its bias, dense or convolution.
    * All other parameters, such as batch norm's scale and bias, use the plain gradient:
      $v_{t+1} = \mu v_t - \epsilon_t g_t$, as in `momentum`, without the bound.
    * Factors: the mean of the first batches, then running averages, $\min(1 - 1/k, 0.95)$.
    * Damping: $A + \pi\sqrt\lambda I$, $G + \sqrt\lambda/\pi\, I$ (sec. 6.3).
    * The step's length: $\nu_t = \min(1, \sqrt{2\kappa / (\epsilon_t^2 u^T g)})$, where u is the
      natural gradient. This bounds the KL divergence of a step by the quadratic model,
      $\tfrac12 \epsilon^2 u^T F u$, by κ.

    Departures from Martens & Grosse: damping, rate and momentum are given, not fitted to the exact
    Fisher matrix; the factors are only block-diagonal; weight decay does not add to the damping.

    Memory in addition to the velocity: 2 (a² + g²) numbers per layer with a inputs per unit and g
    units (in float32 1.8 MB for LeNet-5, 18.7 MB for ResNet-20, 1.23 GB for ResNet-50), and n T a
    for n images and T positions while factors are computed. Multiply-adds: factors, n T (a² + g²),
    and another backward pass if labels are sampled, every `factors_every` steps; inverses, about
    a³ + g³ every `inverses_every` steps; the step itself, a² g + a g².

    bfloat16 parameters are accepted; factors, inverses and velocity are float32 or wider.

    Args:
      learning_rate: ε, a number or a schedule.
      damping: λ.
      kl_clip: κ, the bound.
      decay: μ, the share of the velocity that stays.
      factor_decay: largest share of a running average that stays.
      factors_every: steps between updates of the factors.
      inverses_every: steps between inversions, T of Ba et al.
      labels: labels for the gradients in G: `sampled` from the network's distribution, which gives
        the Fisher matrix, or `empirical`, those of the data.
      largest_factor: most rows of a factor; `init` refuses larger layers.

    `update` takes the extra arguments `factors`: labels -> {layer: (A, G)} of the batch, and
    `divide`: (function, matrices) -> the function of each, to share inversions among devices.

    Raises ValueError for an argument out of range, and for a layer that is too large or has no
    factors.
    """

    def init(params):
        factors = {}
        for layer, matrix in kronecker.split(params).matrices.items():
            if (rows := max(matrix.shape)) > largest_factor:
                gigabytes = 2 * rows**2 * matrix.dtype.itemsize / 1e9
                raise ValueError(
                    f"kfac: the factor of {layer} has {rows:,} rows, above largest_factor="
                    f"{largest_factor:,}; with its inverse it takes {gigabytes:.1f} GB, and an "
                    f"inversion about {rows**3:.1e} multiply-adds."
                )
            factors[layer] = Pair(*(jnp.zeros((size, size), matrix.dtype) for size in matrix.shape))
        count, schedule = jnp.zeros((), jnp.int32), schedule_state(learning_rate)
        rate, inverses = rate_at(learning_rate, count, schedule), optax.tree.zeros_like(factors)
        return KfacState(count, rate, factors, inverses, schedule)

    def update(updates, state, params=None, *, factors=of_no_layer, divide=map, **extra):
        gradients, rest, join = kronecker.split(updates)

        def averaged():
            now = factors(labels)
            absent = ", ".join(sorted(gradients.keys() - now.keys()))
            if absent:
                raise ValueError(f"kfac: the extra argument `factors` has none of {absent}.")
            looks = jnp.asarray(state.count // factors_every + 1, float)
            keep = jnp.minimum(1 - 1 / looks, factor_decay)
            return {
                layer: Pair(*(_mean(a, b, keep) for a, b in zip(old, now[layer], strict=True)))
                for layer, old in state.factors.items()
            }

        def inverted():
            ready = {layer: kronecker.damped(f, damping) for layer, f in mean.items()}
            matrices, structure = jax.tree.flatten(ready)
            return jax.tree.unflatten(structure, divide(kronecker.inverse, matrices))

        def due(every):
            return state.count % every == 0

        mean = jax.lax.cond(due(factors_every), averaged, lambda: state.factors)
        inverses = jax.lax.cond(due(inverses_every), inverted, lambda: state.inverses)
        natural = {
            layer: kronecker.precondition(g, inverses[layer]) for layer, g in gradients.items()
        }
        now = rate_at(learning_rate, state.count, state.schedule)
        length = sum(jnp.vdot(natural[layer], g) for layer, g in gradients.items())
        clip = jnp.minimum(1, jnp.sqrt(2 * kl_clip / (now**2 * length)))
        made = join({layer: clip * u for layer, u in natural.items()}, rest)
        made = jax.tree.map(lambda u: -now.astype(u.dtype) * u, made)
        count = optax.safe_increment(state.count)
        return made, KfacState(count, now, mean, inverses, state.schedule)

    scale = optax.GradientTransformationExtraArgs(init, update)
    return float32_state(optax.chain(scale, optax.trace(decay)))


def _mean(old: jax.Array, new: jax.Array, keep: jax.Array) -> jax.Array:
    keep = keep.astype(old.dtype)
    return keep * old + (1 - keep) * new.astype(old.dtype)
