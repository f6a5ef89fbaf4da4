"""Measured thresholds of each kind of processor (docs/speed.md): when which form is faster."""

from typing import NamedTuple


class Processor(NamedTuple):
    """The thresholds of one kind of processor.

    Attributes:
      groups: the most groups of a convolution that are computed separately.
      packed_columns: the most outputs of a row that are computed as one position.
      packed_maps: the most maps of such a position.
      packed_maps_of_images: the same for the first layer, which reads an image's channels.
      image_channels: the most channels of an image.
      two_rows_window: the smallest window side for outputs of two rows as one position.
      two_rows_channels: the most channels that an output may then read.
      two_rows_maps: the most maps of such a position.
      part_images: images per part, where a kernel's gradient is summed over parts of a batch.
      part_channels: the most channels of a kernel whose gradient is summed that way.
      tiles_products: for Winograd's tiles, the least channels * maps / (channels + maps); below
        that, their transformations cost more than they save.
      tiles_positions: the least number of positions in a batch for tiles.
      tiles_work: the least positions * channels * maps for tiles, which take as long to compile for
        a few images as for many.
      tiles_waste: the largest share of a side that tiles of four may add to it.
      places_summed: the largest window whose sum is written out; the program grows with it.
    """

    groups: int
    packed_columns: int
    packed_maps: int
    packed_maps_of_images: int
    image_channels: int
    two_rows_window: int
    two_rows_channels: int
    two_rows_maps: int
    part_images: int
    part_channels: int
    tiles_products: int
    tiles_positions: int
    tiles_work: int
    tiles_waste: float
    places_summed: int


INTEL_AVX512 = Processor(
    groups=8,
    packed_columns=4,
    packed_maps=48,
    packed_maps_of_images=128,
    image_channels=3,
    two_rows_window=5,
    two_rows_channels=16,
    two_rows_maps=64,
    part_images=16,
    part_channels=32,
    tiles_products=60,
    tiles_positions=768,
    tiles_work=60_000_000,
    tiles_waste=1 / 16,
    places_summed=9,
)
# Other processors use the same thresholds. On an AMD EPYC with AVX-512, none of 15 other
# values makes ResNet-20's step faster by more than rounds differ (tests/measure_processors.py).
PROCESSOR = INTEL_AVX512
