"""Augmentations of training images, applied at three places on the way to the network.

The crop (`crops`) runs in a loader's thread if images are large; colour changes see values in
[0, 1]; shifts see values less the mean. Colour changes and shifts are pure functions
`(key, image [h, w, c]) -> image`.
"""

import functools
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from cnn_history.choices import NOT_NEGATIVE, several
from cnn_history.datasets import crops
from cnn_history.datasets.statistics import Statistics

PAD = 4  # He et al. 2015, sec. 4.2
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R 601, as in the imaging library of Howard 2013

ImageFunction = Callable[[jax.Array, jax.Array], jax.Array]


def none(key: jax.Array, image: jax.Array) -> jax.Array:
    """Return the image unchanged."""
    del key
    return image


class Augmentation(NamedTuple):
    """What is done at each of the three places.

    Attributes:
      crop: replaces the config's adapter; None keeps the adapter.
      colour: takes images in [0, 1].
      shift: takes images whose mean has been subtracted.
    """

    crop: crops.CropFunction | None = None
    colour: ImageFunction = none
    shift: ImageFunction = none


def translate(key: jax.Array, image: jax.Array) -> jax.Array:
    """Shift by up to 4 pixels each way, repeating the edge.

    Source: the translations among the distortions of LeCun et al. 1998, sec. III-B.
    """
    return _random_crop(key, jnp.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)), "edge"), image.shape)


def pad_crop_flip(key: jax.Array, image: jax.Array) -> jax.Array:
    """Pad each side with 4 zeros, crop the old size at random, mirror with probability 1/2.

    Source: He et al. 2015, sec. 4.2, after Lee et al. 2015. The mean is subtracted first, so zero
    is the mean.
    """
    crop_key, flip_key = jax.random.split(key)
    padded = jnp.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)))
    image = _random_crop(crop_key, padded, image.shape)
    return jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image)


def _random_crop(key: jax.Array, padded: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    offset = jax.random.randint(key, (2,), 0, 2 * PAD + 1)
    return jax.lax.dynamic_slice(padded, (*offset, 0), shape)


def pca_colour(
    key: jax.Array, image: jax.Array, components: jax.Array, std: float = 0.1
) -> jax.Array:
    """Add [p1 p2 p3] [a1 l1, a2 l2, a3 l3] to every pixel, a ~ N(0, std^2) drawn once per image.

    p and l are eigenvectors and eigenvalues of the covariance of the training set's RGB values,
    here in [0, 1]. Applied to values in 0..255, the paper's formula would add thousands of grey
    levels. Another reading takes the square roots of the eigenvalues and adds about twice as much.

    Args:
      key: the image's random key.
      image: [h, w, c] in [0, 1]; the result may leave that range.
      components: eigenvectors times eigenvalues, in columns [c, c].
      std: standard deviation of a.

    Source: Krizhevsky et al. 2012, sec. 4.1.
    """
    return image + components @ (std * jax.random.normal(key, components.shape[1:], image.dtype))


def photometric(key: jax.Array, image: jax.Array, amounts: tuple[float, float]) -> jax.Array:
    """Change contrast, brightness and colour in random order, each by a factor from `amounts`.

    Factors are uniform in that range. A factor of 1 changes nothing; 0 gives a uniform grey, a
    black or a colourless image. Values are clipped to [0, 1] after each change, as in the imaging
    library that the paper used.

    Source: Howard 2013, "Some improvements on deep convolutional neural network based image
    classification": amounts 0.5..1.5.
    """
    order_key, amount_key = jax.random.split(key)
    low, high = amounts
    factors = jax.random.uniform(amount_key, (3,), image.dtype, low, high)
    for which in jax.random.permutation(order_key, 3):
        image = jax.lax.switch(which, ENHANCEMENTS, image, factors[which])
    return image


def contrast(image: jax.Array, amount: jax.Array) -> jax.Array:
    """Move away from the image's mean grey (towards it if `amount` is below 1)."""
    return _blend(_grey(image).mean(), image, amount)


def brightness(image: jax.Array, amount: jax.Array) -> jax.Array:
    """Move away from black (towards it if `amount` is below 1)."""
    return _blend(0.0, image, amount)


def saturation(image: jax.Array, amount: jax.Array) -> jax.Array:
    """Move away from the greyscale image (towards it if `amount` is below 1)."""
    return _blend(_grey(image), image, amount)


ENHANCEMENTS = (contrast, brightness, saturation)


def _grey(image: jax.Array) -> jax.Array:
    if image.shape[-1] == 1:
        return image
    return (image @ jnp.asarray(LUMINANCE, image.dtype))[..., None]


def _blend(start, image: jax.Array, amount: jax.Array) -> jax.Array:
    return jnp.clip(start + amount * (image - start), 0, 1)


def alexnet(
    statistics: Callable[[], Statistics],
    size: int,
    colour_std: Annotated[float, NOT_NEGATIVE] = 0.1,
) -> Augmentation:
    """A random crop of the central 256x256, mirrored or not; PCA colour.

    Source: Krizhevsky et al. 2012, sec. 4.1.
    """
    _check_scales(size, (crops.ALEXNET_SHORTER,) * 2)
    return Augmentation(crops.random_in_centre, _pca(statistics, colour_std))


def zfnet(size: int) -> Augmentation:
    """One of ten crops of the central 256x256 (Zeiler & Fergus 2013, sec. 3.1)."""
    _check_scales(size, (crops.ALEXNET_SHORTER,) * 2)
    return Augmentation(crops.one_of_ten)


def jittered(
    statistics: Callable[[], Statistics],
    size: int,
    scales: tuple[int, int] = (256, 256),
    colour_std: Annotated[float, NOT_NEGATIVE] = 0.1,
) -> Augmentation:
    """Random scale of the shorter side, random crop, mirrored or not; PCA colour.

    Source: Simonyan & Zisserman 2014, sec. 3.1 (one scale, or 256..512); He et al. 2015, sec. 3.4
    (256..480).
    """
    _check_scales(size, scales)
    return Augmentation(
        functools.partial(crops.random_position, scales=scales), _pca(statistics, colour_std)
    )


def distorted(
    statistics: Callable[[], Statistics],
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    amounts: Annotated[tuple[float, float], several(NOT_NEGATIVE, 2, 2)] = (0.5, 1.5),
    colour_std: Annotated[float, NOT_NEGATIVE] = 0.1,
) -> Augmentation:
    """A crop of random area and aspect, mirrored or not; photometric distortions, then PCA colour.

    Source: Szegedy et al. 2014, sec. 6, with the distortions of Howard 2013. The random
    interpolations that they "started using relatively late" are omitted. Ioffe & Szegedy 2015,
    sec. 4.2.1, distort less, but do not say by how much. `amounts` of (1, 1) turns the distortions
    off.
    """
    for name, (low, high), top in (("area", area, 1.0), ("aspect", aspect, 100.0)):
        if not 0 < low <= high <= top:
            raise ValueError(f"{name}: expected a range within 0..{top:g}, got {low}..{high}.")
    if not amounts[0] <= amounts[1]:
        raise ValueError(f"amounts: expected low..high, got {amounts[0]}..{amounts[1]}.")
    colour = _pca(statistics, colour_std)

    def distort(key, image):
        photometric_key, pca_key = jax.random.split(key)
        return colour(pca_key, photometric(photometric_key, image, amounts))

    return Augmentation(functools.partial(crops.random_area, area=area, aspect=aspect), distort)


def _pca(statistics: Callable[[], Statistics], std: float) -> ImageFunction:
    if not std:
        return none
    return functools.partial(pca_colour, components=statistics().principal_components, std=std)


def _check_scales(size: int, scales: tuple[int, int]) -> None:
    if not size <= scales[0] <= scales[1]:
        raise ValueError(
            f"a crop of {size}x{size} does not fit when the shorter side is scaled to "
            f"{scales[0]}..{scales[1]}."
        )


# The program supplies `statistics` (measured on the training images) and `size` (of the network's
# input) to augmentations that take them.
AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "none": Augmentation,
    "translate": functools.partial(Augmentation, shift=translate),
    "pad_crop_flip": functools.partial(Augmentation, shift=pad_crop_flip),
    "alexnet": alexnet,
    "zfnet": zfnet,
    "vgg": jittered,
    "googlenet": distorted,
    "inception": functools.partial(distorted, amounts=(0.75, 1.25), colour_std=0.0),
    "resnet": functools.partial(jittered, scales=(256, 480)),
}
