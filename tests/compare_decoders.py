"""Compare how libraries decode each kind of image file, for docs/pixels.md.

    EXTRAS=tf ./launch.sh python -m tests.compare_decoders    # writes that section anew

Each library decodes the same files in its usual way for a network, to three channels. A library
that is not installed is left out and named; OpenCV (opencv-python-headless) and DALI
(nvidia-dali-cuda120, on the processor) are in no extra of ours.
"""

import importlib.metadata
import io
import struct
import zlib

import numpy as np
import simplejpeg
from absl import app
from PIL import Image, ImageChops

from cnn_history.datasets import images
from tests.datasets import files
from tests.training.runs import CHECKOUT

PAGE = CHECKOUT / "docs" / "pixels.md"
TITLE = "## What each kind of file becomes"
INTRODUCTION = """\
`python -m tests.compare_decoders` wrote this table: the mean distance from the picture in the
file, in grey levels of 255, after each library's usual decoding to three channels. As a JPEG file
of quality 95, the smooth picture of 48x64 should lose at most 2.
"""


def pictures():
    """Return {kind: (file, the picture that it means, uint8 [h, w, 3])}."""
    photo = files.photo(48, 64)
    inks = Image.fromarray(photo).convert("CMYK")
    grey = files.photo(48, 64)[..., :1].repeat(3, -1)
    opaque = np.full((48, 64, 1), 255, np.uint8)
    half = np.full((48, 64, 1), 100, np.uint8)
    few = np.asarray(Image.fromarray(photo).quantize(64).convert("RGB"))
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: to be shown turned by 90 degrees

    def jpeg(**options):
        return files.encode(photo, quality=95, **options)

    adobe = _saved(inks, "jpeg", quality=95)
    as_they_are = ImageChops.invert(inks)  # Pillow inverts what it writes, as Adobe does
    plain = without_adobe(_saved(as_they_are, "jpeg", quality=95))
    return {
        "JPEG, 4:4:4": (jpeg(subsampling=0), photo),
        "JPEG, 4:2:0": (jpeg(subsampling=2), photo),
        "JPEG, 4:1:1": (simplejpeg.encode_jpeg(photo, 95, colorsubsampling="411"), photo),
        "JPEG, progressive": (jpeg(progressive=True), photo),
        "JPEG with restart markers": (jpeg(restart_marker_rows=1), photo),
        "JPEG, greyscale": (files.encode(grey, mode="L", quality=95), grey),
        "JPEG of R, G, B, not Y, Cb, Cr": (jpeg(keep_rgb=True), photo),
        "JPEG, CMYK with Adobe's marker": (adobe, photo),
        "JPEG, CMYK without it": (plain, photo),
        "JPEG, turned by EXIF": (jpeg(exif=turned), photo),
        "JPEG that ends early": (jpeg()[:-600], photo),
        "PNG": (files.encode(photo, "png"), photo),
        "PNG of 16 bits": (png_of_16_bits(photo), photo),
        "PNG of 16 bits, greyscale": (png_of_16_bits(grey[..., :1]), grey),
        "PNG, palette": (_saved(Image.fromarray(photo).quantize(64), "png"), few),
        "PNG, greyscale": (files.encode(grey[..., 0], "png"), grey),
        "PNG, greyscale with alpha": (files.encode(np.dstack([grey[..., :1], half]), "png"), grey),
        "PNG with alpha, opaque": (files.encode(np.dstack([photo, opaque]), "png"), photo),
        "PNG with alpha of 100": (files.encode(np.dstack([photo, half]), "png"), photo),
        "GIF": (_saved(Image.fromarray(photo).quantize(64), "gif"), few),
        "BMP": (files.encode(photo, "bmp"), photo),
        "TIFF": (files.encode(photo, "tiff"), photo),
        "TIFF, CMYK": (_saved(inks, "tiff"), photo),
        "WebP, lossless": (files.encode(photo, "webp", lossless=True), photo),
    }


def _saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def without_adobe(data):
    """Return a JPEG file without the marker that says how its channels are meant."""
    start = data.index(b"\xff\xee")
    (length,) = struct.unpack(">H", data[start + 2 : start + 4])
    return data[:start] + data[start + 2 + length :]


def png_of_16_bits(pixels):
    """Return the file of [h, w, c], the same picture in 16 bits."""
    h, w, channels = pixels.shape
    wide = pixels.astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in wide.astype(">u2"))
    header = struct.pack(">IIBBBBB", w, h, 16, {1: 0, 3: 2}[channels], 0, 0, 0)

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def by_pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def by_opencv(data):
    import cv2

    made = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if made is None:
        raise ValueError("not decoded")
    return made[..., ::-1]


def by_tensorflow(data):
    import tensorflow as tf

    return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()


def by_torchvision(data):
    import torch
    import torchvision

    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    made = torchvision.io.decode_image(encoded, torchvision.io.ImageReadMode.RGB)
    return made.numpy().transpose(1, 2, 0)


def by_dali(data):
    from nvidia.dali import fn, types
    from nvidia.dali.pipeline import Pipeline

    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipeline:
        encoded = fn.external_source(source=lambda: [np.frombuffer(data, np.uint8)])
        pipeline.set_outputs(fn.decoders.image(encoded, device="cpu", output_type=types.RGB))
    pipeline.build()
    return np.asarray(pipeline.run()[0][0])


# name: (how, distribution, module)
LIBRARIES = {
    "here": (lambda data: images.decode(data, 3), "cnn_history", "cnn_history"),
    "Pillow": (by_pillow, "pillow", "PIL"),
    "OpenCV": (by_opencv, "opencv-python-headless", "cv2"),
    "TensorFlow": (by_tensorflow, "tensorflow-cpu", "tensorflow"),
    "torchvision": (by_torchvision, "torchvision", "torchvision"),
    "DALI": (by_dali, "nvidia-dali-cuda120", "nvidia.dali"),
}


def becomes(decode, data, meant):
    """Return in a few words what a library makes of a file."""
    try:
        made = decode(data)
    except Exception:
        return "refused"
    if made.shape == (*meant.shape[1::-1], 3):
        return "turned"
    if made.shape != meant.shape:
        return f"{made.shape}"
    return f"{np.abs(made.astype(int) - meant).mean():.1f}"


def table():
    """Return the section's lines."""
    used, missing = {}, []
    for name, (decode, distribution, module) in LIBRARIES.items():
        try:
            importlib.import_module(module)
            used[f"{name} {importlib.metadata.version(distribution)}"] = decode
        except Exception as error:
            missing.append(f"{name} ({error})".replace("\n", " "))
    yield "| file | " + " | ".join(used) + " |"
    yield "|---|" + "---|" * len(used)
    for kind, (data, meant) in pictures().items():
        yield f"| {kind} | " + " | ".join(becomes(f, data, meant) for f in used.values()) + " |"
    if missing:
        yield ""
        yield f"Not measured, because it did not load here: {'; '.join(missing)}."


def main(argv):
    del argv
    before, _, rest = PAGE.read_text().partition(TITLE)
    _, found, after = rest.partition("\n## ")
    section = "\n".join([TITLE, "", INTRODUCTION, *table(), ""])
    PAGE.write_text(before + section + found + after)
    print(section)


if __name__ == "__main__":
    app.run(main)
