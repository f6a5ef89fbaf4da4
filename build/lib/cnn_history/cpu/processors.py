"""What was measured of each kind of processor (docs/speed.md): from where on a form is faster."""

from typing import NamedTuple


class Processor(NamedTuple):
    """The thresholds of one kind of processor.

    Attributes:
      groups: of a convolution are taken apart if there are at most so many.
      packed_columns: outputs of a row that are computed as one position, at most.
      packed_maps: maps that such a position has, at most.
      packed_maps_of_images: the same where an output reads an image's channels.
      image_channels: that an image has, at most.
      two_rows_window: sides that a window needs for outputs of two rows as one position.
      two_rows_channels: channels that an output then reads, at most.
      two_rows_maps: maps that such a position has, at most.
      part_images: images in a part of the batch, by which a kernel's gradient is summed.
      part_channels: channels of a kernel whose gradient is summed so, at most.
      tiles_products: by Winograd's tiles, products of a channel and a map for each of both, at
        least; below, their transformations cost more than is saved.
      tiles_positions: positions of a batch, at least.
      tiles_work: products of positions, channels and maps, at least: tiles take as long to compile
        for a few images as for many.
      tiles_waste: share of a side that tiles of four may add to it.
      places_summed: values of a window whose sum is written out, at most; a program grows with it.
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
# No other kind was measured with these forms; it takes the same.
PROCESSOR = INTEL_AVX512
