"""Random keys of a run."""

from typing import NamedTuple

import jax


class Keys(NamedTuple):
    """Random keys by use."""

    init: jax.Array
    order: jax.Array
    shift: jax.Array
    step: jax.Array
    crop: jax.Array
    colour: jax.Array


def keys(seed: int) -> Keys:
    """Return the keys of a seed; a key added at the end would not change the others."""
    return Keys(*jax.random.split(jax.random.key(seed), len(Keys._fields)))
