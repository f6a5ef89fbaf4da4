"""Copies of figures for the page: reduced in size, with generated names."""

import io
import pathlib
import shutil
from typing import NamedTuple

from PIL import Image

WIDEST = 1600  # pixels, about twice the width of the page's column
LARGE = 150_000  # bytes; a larger copy is replaced by a lossy one if that is smaller
QUALITY = 85
MOVING = ("GIF", "PNG", "WEBP")  # formats whose animations a browser plays


class PageImage(NamedTuple):
    """A picture in the page's folder.

    Attributes:
      file: address, relative to the page.
      width: width in pixels.
      height: height in pixels.
      alt: description for readers who cannot see it.
      animation: address of the animation whose last frame this is, or None.
    """

    file: str
    width: int
    height: int
    alt: str
    animation: str | None = None


class Pictures:
    """Copies pictures to a folder and hands out their addresses."""

    def __init__(self, folder: pathlib.Path, left_out: list[str]):
        self._folder, self._left_out = folder, left_out
        self._count = 0

    def add(self, path: pathlib.Path, alt: str, below: pathlib.Path) -> PageImage | None:
        """Return the copy of a picture; None, with a line in `left_out`, if it cannot be shown.

        Paths outside the folder `below`, which damaged or hostile files may have, are refused.
        """
        try:
            if not path.resolve().is_relative_to(below.resolve()):
                raise ValueError("it lies outside its folder")
            with Image.open(path) as image:
                return self._copy(path, image, alt)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            self._left_out.append(f"{path.name}: {error}")
            return None

    def _copy(self, path: pathlib.Path, image: Image.Image, alt: str) -> PageImage:
        self._count += 1
        name, animation = f"picture_{self._count:03}", None
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format in MOVING:
            moving = f"{name}_moving.{image.format.lower()}"
            shutil.copy(path, self._folder / moving)
            animation = f"{self._folder.name}/{moving}"
            image.seek(frames - 1)
        # WebP has these two modes, and the page needs no more pixels.
        has_alpha = "A" in image.mode or "transparency" in image.info
        still = image.convert("RGBA" if has_alpha else "RGB")
        still.thumbnail((WIDEST, 4 * WIDEST))
        content = _webp(still, lossless=True)
        if len(content) > LARGE:
            content = min(content, _webp(still, quality=QUALITY), key=len)
        (self._folder / f"{name}.webp").write_bytes(content)
        return PageImage(f"{self._folder.name}/{name}.webp", *still.size, alt, animation)


def _webp(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "webp", method=4, **options)
    return file.getvalue()
