"""Statistics of the training images, for mean subtraction and colour augmentation."""

import dataclasses
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history.datasets.adapters import unit_range


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of images in [0, 1] at the network's input size.

    Attributes:
      mean: the mean image [size, size, c].
      covariance: of the channels over all pixels, [c, c].
      examples: number of images measured.
    """

    mean: np.ndarray
    covariance: np.ndarray
    examples: int

    @property
    def channel_mean(self) -> np.ndarray:
        """The mean of each channel, [c]."""
        return self.mean.mean((0, 1))

    @property
    def principal_components(self) -> np.ndarray:
        """Eigenvectors times eigenvalues of the covariance, in columns [c, c], largest first."""
        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * values)[:, ::-1].astype(np.float32)


def of(images: Iterable[np.ndarray], size: int, adapter: str) -> Statistics:
    """Return the statistics of uint8 images [n, h, w, c], given in parts."""

    @jax.jit
    def sums(part):
        part = unit_range(part, size, adapter)
        products = jnp.einsum("nhwc,nhwd->ncd", part, part, precision=jax.lax.Precision.HIGHEST)
        return part.sum(0), products

    total, products, examples = 0.0, 0.0, 0
    for part in images:
        image, product = jax.device_get(sums(part))
        total = total + image.astype(np.float64)
        products = products + product.astype(np.float64).sum(0)  # summed over images in float64
        examples += len(part)
    mean = total / examples
    channels = mean.mean((0, 1))
    covariance = products / (examples * size * size) - np.outer(channels, channels)
    return Statistics(mean.astype(np.float32), covariance.astype(np.float32), examples)


def unknown() -> Statistics:
    """Stand in where only the options of a scaling or an augmentation are checked."""
    return Statistics(np.zeros((1, 1, 3), np.float32), np.eye(3, dtype=np.float32), 0)
