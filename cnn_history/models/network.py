"""Entries of the registry, and the base class of all networks."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history import layers
from cnn_history.choices import SHARE
from cnn_history.papers import Place

Dropout = Annotated[float, SHARE]  # the share of values that is dropped


@dataclasses.dataclass(frozen=True)
class Network:
    """A registered network.

    Attributes:
      build: keyword options -> `nn.Module`.
      source: the paper, and the place in it.
      input: (h, w, c) of the paper's images.
      classes: number of classes in the paper.
    """

    build: Callable[..., nn.Module]
    source: Place
    input: tuple[int, int, int]
    classes: int


def check_size(images: jax.Array, smallest: int, name: str, otherwise: str = "") -> None:
    """Raise ValueError unless `images` is [n, h, w, c] with h and w of at least `smallest`.

    Args:
      images: the argument of a call.
      smallest: the smallest side at which the last map has a position.
      name: the network's.
      otherwise: how to use smaller images, if that is possible.
    """
    if images.ndim != 4:
        raise ValueError(
            f"{name}: expected images [n, h, w, c], got an array {list(images.shape)}."
        )
    if min(images.shape[1:3]) < smallest:
        h, w = images.shape[1:3]
        raise ValueError(
            f"{name} cannot take images of {h}x{w}; the smallest is {smallest}x{smallest}"
            + (f" ({otherwise})." if otherwise else ".")
        )


def typed(part: Any) -> dict[str, Any]:
    """Return initializer and dtypes for the layers of a network, or of a part of it.

    Args:
      part: has `kernel_init` and `dtype`, the dtype of the computation.
    """
    wide = jnp.promote_types(part.dtype, jnp.float32)
    return {"kernel_init": part.kernel_init, "dtype": part.dtype, "param_dtype": wide}


def wide(logits: jax.Array) -> jax.Array:
    """Convert logits to float32 or wider."""
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def normalize(part: Any, x: jax.Array, train: bool, name: str, **options: Any) -> jax.Array:
    """Normalize x [n, ..., c] by the norm of a network, or of a part of it; None returns x.

    Args:
      part: has `norm` and `dtype`.
      x: the activations.
      train: whether to use the statistics of this batch.
      name: the layer's.
      options: more options of the norm.
    """
    if part.norm is None:
        return x
    return part.norm(name=name, dtype=part.dtype, **options)(x, use_running_average=not train)


class Classifier(nn.Module):
    """Base class of networks: images [n, h, w, c] -> logits [n, num_classes].

    Subclasses have the fields `num_classes`, `dtype` (of the computation) and `kernel_init`, and
    `norm` and `dropout` if the paper has such layers. The methods make layers from these fields.

    Attributes:
      classifier: the name of the layer with one unit, or one map, per class.
      in_stages: whether the network applies its parts by `stage`.
    """

    classifier: ClassVar[str]
    in_stages: ClassVar[bool] = False

    def conv(self, features: int, window: tuple[int, int], *args, **options) -> nn.Module:
        """Return a convolution; further arguments are those of `layers.Conv`."""
        return layers.Conv(features, window, *args, **typed(self), **options)

    def fully_connected(self, features: int, window: tuple[int, int], **options) -> nn.Module:
        """Return a fully-connected layer on maps of `window`, which slides over larger ones."""
        made_with = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        return layers.FullyConnected(features, window, **made_with, **options)

    def dense(self, features: int, **options) -> nn.Module:
        """Return a fully-connected layer that acts on each position separately."""
        return layers.Dense(features, **typed(self), **options)

    def drop(self, x: jax.Array, train: bool, name: str) -> jax.Array:
        """In training, drop a share `dropout` of the values of x and scale the others up."""
        return layers.Dropout(self.dropout, deterministic=not train, name=name)(x)

    def mean_over_positions(self, x: jax.Array, pool: str | None = None) -> jax.Array:
        """[n, h, w, c] -> [n, c]: the point where this network merges positions.

        It comes before a linear classifier, as the layer `pool` (Lin et al. 2013, sec. 3.2), or
        after a classifier that slides over the image. `scores_by_position` skips it.
        """
        if pool is not None:
            return layers.GlobalAvgPool(name=pool)(x)
        return mean_over_positions(x)


class FittedClassifier(Classifier):
    """A network that can size its first fully-connected layer for the map that it receives.

    `fit_classifier` does so, the usual departure from the paper to train on small images. The layer
    still slides over larger images, as the paper's does.

    Attributes:
      window: the size of the maps that the paper's layer reads.
      smallest: side of the smallest image with such maps.
      smallest_fitted: side of the smallest image whose last maps have one position.
    """

    window: ClassVar[tuple[int, int]]
    smallest: ClassVar[int]
    smallest_fitted: ClassVar[int]

    def check(self, images: jax.Array, name: str) -> None:
        """Raise ValueError, with the network's name, if images are too small."""
        if self.fit_classifier:
            check_size(images, self.smallest_fitted, name)
        else:
            check_size(
                images,
                self.smallest,
                name,
                f"{self.smallest_fitted}x{self.smallest_fitted} with fit_classifier=true",
            )

    def first_fully_connected(self, x: jax.Array, features: int, name: str, **options) -> jax.Array:
        """[n, h, w, c], the last maps -> [n, positions, positions, features]."""
        window = self.window
        if self.fit_classifier:  # the size of its kernel or, at initialization, of the map
            made = self.variables.get("params", {}).get(name)
            window = made["kernel"].shape[:2] if made else x.shape[1:3]
        return self.fully_connected(features, window, name=name, **options)(x)


def mean_over_positions(logits: jax.Array) -> jax.Array:
    """[n, h, w, classes] -> [n, classes]; at the network's own image size there is one position."""
    return jnp.mean(wide(logits), (1, 2))
