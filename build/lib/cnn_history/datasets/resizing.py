"""A part of a picture at another size: bilinear, antialiased, first across and then down.

cykooz.resizer takes a third of Pillow's time; where it has no wheel, Pillow does it. Both round to
grey levels between across and down, so that they agree to one.
"""

import numpy as np
from PIL import Image

try:
    import cykooz_resizer
except ImportError:
    cykooz_resizer = None

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


def by_pillow(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return the part at that size, uint8 [size, size, c]."""
    return whole(pixels, size, size, box)


def whole(
    pixels: np.ndarray,
    rows: int,
    columns: int,
    box: Box | None = None,
) -> np.ndarray:
    """Return all of a picture, or that box of it, as Pillow scales it: uint8 [rows, columns, c]."""
    picture = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    made = picture.resize((columns, rows), Image.Resampling.BILINEAR, box)
    return np.asarray(made).reshape(rows, columns, -1)


def by_cykooz(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return the same; its resizer alone would go down first, and differ by two at times."""
    h, w, channels = pixels.shape
    left, top, right, bottom = box
    kind = {1: cykooz_resizer.PixelType.U8, 3: cykooz_resizer.PixelType.U8x3}[channels]
    bilinear = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.bilinear)
    resizer = cykooz_resizer.Resizer()
    picture = cykooz_resizer.ImageData(w, h, kind, pixels.tobytes())
    across = cykooz_resizer.CropBox(left, 0, right - left, h)
    down = cykooz_resizer.CropBox(0, top, size, bottom - top)
    for rows, part in ((h, across), (size, down)):
        made = cykooz_resizer.ImageData(size, rows, kind)
        options = cykooz_resizer.ResizeOptions(bilinear, use_alpha=False, crop_box=part)
        resizer.resize(picture, made, options)
        picture = made
    return np.frombuffer(picture.get_buffer(), np.uint8).reshape(size, size, channels)


LIBRARY, resize = ("cykooz.resizer", by_cykooz) if cykooz_resizer else ("pillow", by_pillow)
