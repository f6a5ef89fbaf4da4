"""ZFNet's renormalization of filters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax


def limit_filter_rms(radius: float, filters: Callable[[Any], Any]) -> optax.GradientTransformation:
    """Rescale to `radius` every filter whose root mean square would exceed it after the update.

    Zeiler & Fergus 2013, sec. 3: "we renormalize each filter in the convolutional layers whose RMS
    value exceeds a fixed radius of 10^-1 to this fixed radius". The update is corrected so that the
    parameters land there; it therefore comes after the rule.

    Args:
      radius: the largest root mean square.
      filters: params -> a tree of bools, true for kernels [h, w, in, out] of `out` filters.
    """

    def limit(chosen, update, param):
        if not chosen:
            return update
        new = param + update
        rms = jnp.sqrt(jnp.mean(jnp.square(new), (0, 1, 2)))
        return jnp.where(rms > radius, new * (radius / rms) - param, update)

    def update(updates, state, params):
        return jax.tree.map(limit, filters(params), updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
