"""From an encoded image to pixels, of whatever kind it is.

Files that are called JPEG are often something else. Greyscale and CMYK become RGB (and RGB grey,
where grey is asked for), the inks being inverted where Adobe's marker is in the file; transparency
is dropped, 16 bits become 8 (32 are refused); PNG and the like are recognised by their content.
Orientation tags are not obeyed, nor are they in the papers' pipelines. docs/pixels.md has them
beside other libraries.
What remains raises Damaged: files that are no image, truncated ones, and those of a senseless size.
"""

import contextlib
import io
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageChops

from cnn_history.datasets import upper_rows
from cnn_history.datasets.source import Encoded

MAX_PIXELS = 1 << 26  # 200 MB decoded: a bound on what one file can take of the memory
MAX_ASPECT = 32  # and on what it can take once its shorter side is scaled
JPEG = b"\xff\xd8"  # how a JPEG file begins
DIVISORS = (1, 2, 4, 8)
# What the decoder says where a part of the image is missing, and is made grey by Pillow.
MISSING = ("premature end of data segment", "Premature end of JPEG file", "bad Huffman code")
# What Pillow may open: it has readers of many more kinds, some of which start other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
COLOURS = {1: ("GRAY", "L"), 3: ("RGB", "RGB")}  # channels: as simplejpeg and Pillow name them

# Pillow warns of large images where MAX_PIXELS refuses them with their name.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Damaged(ValueError):
    """The image cannot be decoded; the message says why."""


class Unreadable(Exception):
    """An example cannot be read, or is of a wrong kind; the message names its file."""


class Lost(Unreadable):
    """The record of an example is damaged, and its label is lost with its image."""


def decode(data: bytes, channels: int) -> np.ndarray:
    """Return the pixels, uint8 [h, w, channels].

    Args:
      data: the file.
      channels: 1 or 3.

    Raises:
      Damaged: it is no image, truncated, has more than MAX_PIXELS, or is thinner than MAX_ASPECT.
    """
    return shrunk(data, channels, 1)[0]


def shrunk(
    data: bytes, channels: int, most: float, rows: int | None = None
) -> tuple[np.ndarray, int]:
    """Return the pixels of a JPEG file at a half, a quarter or an eighth, and 2, 4 or 8.

    A pixel is then exactly so many of the file's, the last of an odd side as well. Those three are
    faster than the whole; 7/8, 6/8 and 5/8 are not. Else return all pixels, and 1.

    Args:
      data: the file.
      channels: 1 or 3.
      most: what the sides may be divided by.
      rows: of the file from the top, that are needed; all if None. Others may be left out, and
        what is damaged below them goes unseen.

    Raises:
      Damaged: as `decode`.
    """
    import simplejpeg  # not needed by who trains on pixels that are prepared

    if data[:2] == JPEG:
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            _check_size(height, width)
            if colours not in ("CMYK", "YCCK"):
                divisor = max(n for n in DIVISORS if n <= most or n == 1)
                if min(height, width) < DIVISORS[-1]:
                    divisor = 1  # where 3/8 gives as many pixels as a half
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
            # Pillow tolerates other faults, such as bytes too many, or has better words for them.
    with _open(data) as image:
        _check_size(image.height, image.width)
        return _pixels(image, channels), 1


def decode_all(examples: Iterable[Encoded], channels: int) -> tuple[list[np.ndarray], list[int]]:
    """Return whole images and labels, as `Source.read` does; raise Unreadable naming an image."""
    pixels, labels = [], []
    for example in examples:
        try:
            pixels.append(decode(example.image, channels))
        except Damaged as error:
            raise Unreadable(f"{example.name} is damaged: {error}") from None
        labels.append(example.label)
    return pixels, labels


def size(data: bytes) -> tuple[int, int]:
    """Return (h, w), from the file's header alone; raise Damaged if it is no image."""
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
    except Exception:  # whatever a hostile file makes Pillow's readers raise
        raise Damaged("no image" if data else "an empty file") from None


def _check_size(height: int, width: int) -> None:
    if not height or not width:
        raise Damaged(f"{height}x{width} has no pixels")
    if height * width > MAX_PIXELS:
        raise Damaged(f"{height}x{width} is more than {MAX_PIXELS:,} pixels")
    check_aspect(height, width, MAX_ASPECT)


def check_aspect(height: int, width: int, most: int, why: str = "") -> None:
    """Raise Damaged if an image is thinner than 1 to `most`; `why` that is too thin, if it is."""
    if max(height, width) > most * min(height, width):
        raise Damaged(f"{height}x{width} is thinner than 1 to {most}{why}")


def _pixels(image: Image.Image, channels: int) -> np.ndarray:
    if (image.format, image.mode) in (("TIFF", "I"), ("TIFF", "F")):
        raise Damaged(
            "TIFF of 32 bits a value, whose range it does not say; save it as 8 or 16 bits"
        )
    try:
        if (image.format, image.mode) == ("JPEG", "CMYK") and "adobe" not in image.info:
            image = ImageChops.invert(image)  # as Pillow has done, which takes all for Adobe's
        if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        pixels = np.asarray(image.convert(COLOURS[channels][1]))
    except Exception as error:
        raise Damaged(str(error) or type(error).__name__) from None
    return pixels.reshape(*pixels.shape[:2], channels)
