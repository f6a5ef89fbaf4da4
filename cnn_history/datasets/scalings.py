"""Scalings: from values in 0..255 to the network's input.

The papers use grey levels less a mean. Where the first layer's weights were drawn for such values
(AlexNet, VGG), values in 0..1 would make every signal 255 times smaller; the `_255` scalings keep
them. Papers with a mean image subtract the part of it that lies under the crop. Here the mean is
that of the network's inputs, wherever the crop lies; the mean image is so smooth that this makes
little difference.
"""

from collections.abc import Callable

import numpy as np

from cnn_history.datasets.statistics import Statistics

# LeCun et al. 1998, sec. II-B: background -0.1 and foreground 1.175 give an input mean of about 0
# and a variance of about 1.
BACKGROUND_1998, FOREGROUND_1998 = -0.1, 1.175
GREY_LEVEL = np.float32(1 / 255)
ONE = np.float32(1)

MakeStatistics = Callable[[], Statistics]
MeanStd = tuple[np.ndarray, np.ndarray]


def unit(statistics: MakeStatistics) -> MeanStd:
    """Values in [0, 1]."""
    del statistics
    return np.float32(0), ONE


def symmetric(statistics: MakeStatistics) -> MeanStd:
    """Values in [-1, 1], as for the released Inception networks."""
    del statistics
    return np.float32(0.5), np.float32(0.5)


def lenet_1998(statistics: MakeStatistics) -> MeanStd:
    """Background -0.1 and foreground 1.175, for bright ink on black."""
    del statistics
    contrast = FOREGROUND_1998 - BACKGROUND_1998
    mean, std = -BACKGROUND_1998 / contrast, 1 / contrast
    return np.float32(mean), np.float32(std)


def per_pixel_mean(statistics: MakeStatistics) -> MeanStd:
    """Values in [0, 1] less the mean training image (He et al. 2015, sec. 4.2)."""
    return statistics().mean, ONE


def per_pixel_mean_255(statistics: MakeStatistics) -> MeanStd:
    """Grey levels 0..255 less the mean training image (Krizhevsky et al. 2012, sec. 2)."""
    return statistics().mean, GREY_LEVEL


def per_channel_mean(statistics: MakeStatistics) -> MeanStd:
    """Values in [0, 1] less the mean of each channel."""
    return statistics().channel_mean, ONE


def per_channel_mean_255(statistics: MakeStatistics) -> MeanStd:
    """Grey levels 0..255 less the mean of each channel (Simonyan & Zisserman 2014, sec. 2.1)."""
    return statistics().channel_mean, GREY_LEVEL


MEAN_STD, AS_INIT_FROM = GIVEN = ("mean_std", "as_init_from")  # by config or by init_from

# (() -> statistics of the training images) -> mean and std of a Preprocessing
SCALINGS: dict[str, Callable[[MakeStatistics], MeanStd]] = {
    "unit": unit,
    "symmetric": symmetric,
    "lenet_1998": lenet_1998,
    "per_pixel_mean": per_pixel_mean,
    "per_pixel_mean_255": per_pixel_mean_255,
    "per_channel_mean": per_channel_mean,
    "per_channel_mean_255": per_channel_mean_255,
}
