"""What the registry knows of a network, and what all networks share."""

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
      source: paper, and place in it.
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
      images: of a call.
      smallest: side of an image that leaves the last map a position.
      name: of the network.
      otherwise: how smaller images can be taken after all, if they can.
    """
    if images.ndim != 4:
        raise ValueError(f"{name} takes images [n, h, w, c], not an array {list(images.shape)}.")
    if min(images.shape[1:3]) < smallest:
        h, w = images.shape[1:3]
        raise ValueError(
            f"{name} cannot take images of {h}x{w}; the smallest is {smallest}x{smallest}"
            + (f" ({otherwise})." if otherwise else ".")
        )


def typed(part: Any) -> dict[str, Any]:
    """Return initializer and dtypes for the layers with weights of a network, or of a part of it.

    Args:
      part: has `kernel_init` and `dtype`, that of the computation.
    """
    wide = jnp.promote_types(part.dtype, jnp.float32)
    return {"kernel_init": part.kernel_init, "dtype": part.dtype, "param_dtype": wide}


def wide(logits: jax.Array) -> jax.Array:
    """Return them in float32 or wider."""
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def normalize(part: Any, x: jax.Array, train: bool, name: str, **options: Any) -> jax.Array:
    """[n, ..., c] -> the same, by the norm of a network, or of a part of it; x if that is None.

    Args:
      part: has `norm` and `dtype`.
      x: what is normalized.
      train: whether by the statistics of this batch.
      name: of the layer.
      options: further ones of the norm.
    """
    if part.norm is None:
        return x
    return part.norm(name=name, dtype=part.dtype, **options)(x, use_running_average=not train)


class Classifier(nn.Module):
    """What every network here is: images [n, h, w, c] -> logits [n, num_classes].

    It has the fields `num_classes`, `dtype` (of the computation) and `kernel_init`, and where the
    paper has such layers `norm` and `dropout`. The methods make layers with them.

    Attributes:
      classifier: the name of the layer with a unit, or a map, for each class.
    """

    classifier: ClassVar[str]

    def conv(self, features: int, window: tuple[int, int], *args, **options) -> nn.Module:
        """Return a convolution; further arguments are those of `layers.Conv`."""
        return layers.Conv(features, window, *args, **typed(self), **options)

    def fully_connected(self, features: int, window: tuple[int, int], **options) -> nn.Module:
        """Return a fully-connected layer on maps of `window`, which slides over larger ones."""
        made_with = {"kernel_init": self.kernel_init, "dtype": self.dtype}
        return layers.FullyConnected(features, window, **made_with, **options)

    def dense(self, features: int, **options) -> nn.Module:
        """Return a fully-connected layer that acts on each position by itself."""
        return layers.Dense(features, **typed(self), **options)

    def drop(self, x: jax.Array, train: bool, name: str) -> jax.Array:
        """Return x, in training without a share `dropout` of its values, the others scaled up."""
        return layers.Dropout(self.dropout, deterministic=not train, name=name)(x)

    def mean_over_positions(self, x: jax.Array, pool: str | None = None) -> jax.Array:
        """[n, h, w, c] -> [n, c]: where this network stops to tell positions apart.

        It comes before a linear classifier, as the layer `pool` (Lin et al. 2013, sec. 3.2), or
        behind a classifier that has slid over the image. `scores_by_position` leaves it out.
        """
        if pool is not None:
            return layers.GlobalAvgPool(name=pool)(x)
        return mean_over_positions(x)


class FittedClassifier(Classifier):
    """A network that can build its first fully-connected layer for the map that comes.

    `fit_classifier` does so: the usual departure from the paper for training on small images. The
    layer then slides over larger images, as the paper's does.

    Attributes:
      window: of the maps that the paper's layer takes.
      smallest: side of an image with such maps.
      smallest_fitted: side of an image whose last maps have one position.
    """

    window: ClassVar[tuple[int, int]]
    smallest: ClassVar[int]
    smallest_fitted: ClassVar[int]

    def check(self, images: jax.Array, name: str) -> None:
        """Raise ValueError, with the network's name, for images that are too small."""
        if self.fit_classifier:
            check_size(images, self.smallest_fitted, name)
        else:
            check_size(
                images, self.smallest, name, f"{self.smallest_fitted} by fit_classifier=true"
            )

    def first_fully_connected(self, x: jax.Array, features: int, name: str, **options) -> jax.Array:
        """[n, h, w, c], the last maps -> [n, positions, positions, features]."""
        window = self.window
        if self.fit_classifier:  # as its kernel is, or before there is one, as the map is
            made = self.variables.get("params", {}).get(name)
            window = made["kernel"].shape[:2] if made else x.shape[1:3]
        return self.fully_connected(features, window, name=name, **options)(x)


def mean_over_positions(logits: jax.Array) -> jax.Array:
    """[n, h, w, classes] -> [n, classes]: one position on the network's own size, more beyond."""
    return jnp.mean(wide(logits), (1, 2))
