"""What the registry knows of a network, and what all networks share."""

import dataclasses
from collections.abc import Callable
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.choices import SHARE
from cnn_history.papers import Place

Dropout = Annotated[float, SHARE]  # the share of values that is dropped


@dataclasses.dataclass(frozen=True)
class Network:
    """A registered network.

    Attributes:
      build: keyword options -> `nn.Module`.
      source: paper, and place in it.
      input: (h, w, c) of the paper's images.
      classes: number of classes in the paper.
    """

    build: Callable[..., nn.Module]
    source: Place
    input: tuple[int, int, int]
    classes: int


def check_size(images: jax.Array, smallest: int, name: str) -> None:
    """Raise ValueError unless `images` is [n, h, w, c] with h and w of at least `smallest`."""
    if images.ndim != 4:
        raise ValueError(f"{name} takes images [n, h, w, c], not an array {list(images.shape)}.")
    if min(images.shape[1:3]) < smallest:
        h, w = images.shape[1:3]
        raise ValueError(
            f"{name} cannot take images of {h}x{w}; the smallest is {smallest}x{smallest}."
        )


def mean_over_positions(logits: jax.Array) -> jax.Array:
    """[n, h, w, classes] -> [n, classes]: one position on the network's own size, more beyond."""
    return jnp.mean(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)), (1, 2))
