"""Small image files of every kind, good and bad."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def photo(height=40, width=60, seed=0):
    """Return smooth random colours, uint8 [height, width, 3]; JPEG changes them little."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 3)).astype(np.uint8))
    return np.asarray(small.resize((width, height), Image.BICUBIC))


def encode(pixels, kind="jpeg", mode=None, **options):
    """Return the file of an image."""
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def jpeg(height=40, width=60, seed=0):
    """Return a photo's file."""
    return encode(photo(height, width, seed), quality=95)


def png(height, width, *chunks):
    """Return a PNG file whose header claims a size, and what else it holds."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), *chunks, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def claiming_png(height, width):
    """Return a tiny PNG file whose header claims a size: a decompression bomb."""
    return png(height, width, (b"IDAT", b""))


def png_with_text(length):
    """Return a PNG file of a pixel, with a compressed text of `length` bytes: a bomb too."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(length >> 20))
    text = b"Comment\0\0" + packed + packer.flush()
    return png(1, 1, (b"zTXt", text), (b"IDAT", zlib.compress(bytes(4))))


def claiming_jpeg(height, width):
    """Return a JPEG file whose header claims a size."""
    data = bytearray(jpeg())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


# name: (file, what is said of it)
BAD = {
    "empty": (b"", "an empty file"),
    "text": (b"<html>404 Not Found</html>", "no image"),
    "truncated": (jpeg()[:-200], "truncated"),
    "without_its_middle": (jpeg()[:700] + jpeg()[900:], "premature end"),
    "truncated_png": (encode(photo(), "png")[:600], "truncated"),
    "only_the_beginning": (b"\xff\xd8\xff", "no image"),
    "huge_jpeg": (claiming_jpeg(9_001, 9_000), "9001x9000 is more than 67,108,864 pixels"),
    "huge_png": (claiming_png(9_000, 9_000), "9000x9000 is more than 67,108,864 pixels"),
    "strip": (jpeg(4, 240), "4x240 is thinner than 1 to 32"),
    "bomb": (claiming_png(60_000, 60_000), "more than 67,108,864 pixels"),
}


CONVERTED = {
    "greyscale": encode(photo(), mode="L"),
    "cmyk": encode(photo(), mode="CMYK"),
    "png": encode(photo(), "png"),
    "one_pixel": jpeg(1, 1),
}


def make_folder(root, train=24, val=10, classes=("ant", "bee"), side=(40, 60)):
    """Write `root`/SPLIT/CLASS/N.JPEG, `train` and `val` of them in all; return `root` as text."""
    for split, count in (("train", train), ("val", val)):
        for i in range(count):
            path = root / split / classes[i % len(classes)] / f"{i}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(*side, seed=i + (split == "val") * train))
    return str(root)
