"""The random keys of a run."""

from typing import NamedTuple

import jax


class Keys(NamedTuple):
    """By use."""

    init: jax.Array
    order: jax.Array
    shift: jax.Array
    step: jax.Array
    crop: jax.Array
    colour: jax.Array


def keys(seed: int) -> Keys:
    """Return the keys of a seed; one more at the end leaves the others what they were."""
    return Keys(*jax.random.split(jax.random.key(seed), len(Keys._fields)))
