"""ZFNet's renormalization of filters."""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax


def limit_filter_rms(
    radius: float, filters: Mapping[str, Sequence[int]]
) -> optax.GradientTransformation:
    """Rescale to `radius` every filter whose root mean square would exceed it after the update.

    Zeiler & Fergus 2013, sec. 3: "we renormalize each filter in the convolutional layers whose RMS
    value exceeds a fixed radius of 10^-1 to this fixed radius". The update is corrected so that the
    parameters land there; it therefore comes after the rule.

    Args:
      radius: the largest root mean square.
      filters: for the path of each convolution, such as `conv2_1/conv1`, the number of the filter
        of each column of its kernel [..., columns] (`models.filters`).
    """

    def limit(path, update, param):
        layer, _, leaf = jax.tree_util.keystr(path, simple=True, separator="/").rpartition("/")
        if leaf != "kernel" or layer not in filters:
            return update
        new = param + update
        squares = jnp.mean(jnp.square(new), range(new.ndim - 1))
        rms = jnp.sqrt(_mean_of_each(squares, np.asarray(filters[layer])))
        return jnp.where(rms > radius, new * (radius / rms) - param, update)

    return optax.stateless(functools.partial(jax.tree_util.tree_map_with_path, limit))


def _mean_of_each(values: jax.Array, filters: np.ndarray) -> jax.Array:
    """[columns] -> [columns], each value replaced by the mean over the columns of its filter."""
    count = np.bincount(filters)
    if max(count) == 1:  # each column is a filter
        return values
    return (jnp.zeros(len(count), values.dtype).at[filters].add(values) / count)[filters]
