"""Decode an image file of any format to pixels.

Files named JPEG are often something else: formats are recognised by content, not by name. Greyscale
and CMYK become RGB (or RGB becomes grey, on request); CMYK is inverted if the file has Adobe's
marker. Transparency is dropped, 16 bits become 8, and 32 bits are refused. Orientation tags are
ignored, as in the papers' pipelines. docs/pixels.md compares this with other libraries. Files that
are not images, are truncated or have impossible sizes raise Damaged.
"""

import contextlib
import io
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageChops

from cnn_history.datasets import upper_rows
from cnn_history.datasets.source import Encoded

MAX_PIXELS = 1 << 26  # 200 MB decoded: bounds the memory that one file can take
MAX_ASPECT = 32  # bounds the memory after scaling the shorter side
JPEG = b"\xff\xd8"  # first bytes of a JPEG file
DIVISORS = (1, 2, 4, 8)
# The decoder's messages for missing parts of an image, which Pillow would paint grey.
MISSING = ("premature end of data segment", "Premature end of JPEG file", "bad Huffman code")
# Formats that Pillow may open; some of its many other readers start external programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
COLOURS = {1: ("GRAY", "L"), 3: ("RGB", "RGB")}  # channels: as simplejpeg and Pillow name them

# Turns off Pillow's warning about large images: MAX_PIXELS refuses them by name.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Damaged(ValueError):
    """The image cannot be decoded; the message says why."""


class Unreadable(Exception):
    """An example cannot be read or has the wrong type; the message names its file."""


class Lost(Unreadable):
    """An example's record is damaged: image and label are lost."""


def decode(data: bytes, channels: int) -> np.ndarray:
    """Return the pixels, uint8 [h, w, channels].

    Args:
      data: the file.
      channels: 1 or 3.

    Raises:
      Damaged: the file is not an image, is truncated, has more than MAX_PIXELS, or is thinner than
        MAX_ASPECT.
    """
    return shrunk(data, channels, 1)[0]


def shrunk(
    data: bytes, channels: int, most: float, rows: int | None = None
) -> tuple[np.ndarray, int]:
    """Return a JPEG file's pixels at 1/2, 1/4 or 1/8 of its size, with the divisor 2, 4 or 8.

    Each pixel then averages exactly that many of the file's per side, also at the end of an odd
    side. Only these scales decode faster than the whole file; 7/8, 6/8 and 5/8 do not. If none is
    allowed, return all pixels and 1.

    Args:
      data: the file's bytes.
      channels: 1 or 3.
      most: largest allowed divisor of the sides.
      rows: number of the file's upper rows that are needed (None: all). Rows below may be missing,
        and damage in them is not detected.

    Raises:
      Damaged: as `decode`.
    """
    import simplejpeg  # not needed for training on prepared pixels

    if data[:2] == JPEG:
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            _check_size(height, width)
            if colours not in ("CMYK", "YCCK"):
                divisor = max(n for n in DIVISORS if n <= most or n == 1)
                if min(height, width) < DIVISORS[-1]:
                    divisor = 1  # sides whose 3/8 has as many pixels as a half
                least = (-(-side // divisor) for side in (height, width))
                kind = COLOURS[channels][0]
                if rows is not None:
                    shape = height, width
                    upper = upper_rows.decode(data, rows, shape, channels, kind, divisor)
                    if upper is not None:
                        return upper, divisor
                return simplejpeg.decode_jpeg(data, kind, False, False, *least), divisor
        except Damaged:
            raise
        except ValueError as error:
            if any(words in str(error) for words in MISSING):
                raise Damaged(f"truncated or damaged: {error}") from None
            # Pillow tolerates other faults, such as surplus bytes, or describes them better.
    with _open(data) as image:
        _check_size(image.height, image.width)
        return _pixels(image, channels), 1


def decode_all(examples: Iterable[Encoded], channels: int) -> tuple[list[np.ndarray], list[int]]:
    """Return whole images and labels, as `Source.read` does; raise Unreadable, naming the image."""
    pixels, labels = [], []
    for example in examples:
        try:
            pixels.append(decode(example.image, channels))
        except Damaged as error:
            raise Unreadable(f"{example.name} is damaged: {error}") from None
        labels.append(example.label)
    return pixels, labels


def size(data: bytes) -> tuple[int, int]:
    """Return (h, w) from the file's header alone; raise Damaged if it is not an image."""
    import simplejpeg

    height = width = None
    if data[:2] == JPEG:
        with contextlib.suppress(ValueError):
            height, width = simplejpeg.decode_jpeg_header(data)[:2]
    if height is None:
        with _open(data) as image:
            height, width = image.height, image.width
    _check_size(height, width)
    return height, width


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise Damaged(f"more than {MAX_PIXELS:,} pixels") from None
    except Exception:  # a hostile file can make Pillow's readers raise anything
        raise Damaged("no image" if data else "an empty file") from None


def _check_size(height: int, width: int) -> None:
    if not height or not width:
        raise Damaged(f"{height}x{width} has no pixels")
    if height * width > MAX_PIXELS:
        raise Damaged(f"{height}x{width} is more than {MAX_PIXELS:,} pixels")
    check_aspect(height, width, MAX_ASPECT)


def check_aspect(height: int, width: int, most: int, why: str = "") -> None:
    """Raise Damaged if an image is thinner than 1 to `most`; `why` is appended to the message."""
    if max(height, width) > most * min(height, width):
        raise Damaged(f"{height}x{width} is thinner than 1 to {most}{why}")


def _pixels(image: Image.Image, channels: int) -> np.ndarray:
    if (image.format, image.mode) in (("TIFF", "I"), ("TIFF", "F")):
        raise Damaged("TIFF with 32 bits per value and no stated range; save it with 8 or 16 bits")
    try:
        if (image.format, image.mode) == ("JPEG", "CMYK") and "adobe" not in image.info:
            image = ImageChops.invert(image)  # undoes Pillow, which inverts all
        if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        pixels = np.asarray(image.convert(COLOURS[channels][1]))
    except Exception as error:
        raise Damaged(str(error) or type(error).__name__) from None
    return pixels.reshape(*pixels.shape[:2], channels)
