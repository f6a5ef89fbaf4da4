import numpy as np
import pytest
from PIL import Image

from cnn_history.datasets import images
from tests import compare_decoders
from tests.datasets import files
from tests.shared import SHARED, needs_shared


def test_what_is_called_jpeg_and_is_not():
    """Kinds that become RGB; within what JPEG and CMYK lose of a smooth image, in grey levels."""
    photo = files.photo()
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    kinds = {
        "jpeg": (files.encode(photo, quality=95), photo, 4),
        "progressive": (files.encode(photo, quality=95, progressive=True), photo, 4),
        "cmyk": (files.encode(photo, mode="CMYK", quality=95), photo, 8),
        "png": (files.encode(photo, "png"), photo, 0),
        "transparent png": (files.encode(photo, "png", mode="RGBA"), photo, 0),
        "palette": (files.encode(np.full((8, 9, 3), 51, np.uint8), "gif", mode="P"), 51, 0),
        "gif": (files.encode(grey, "gif"), grey[..., None], 0),
        "bmp": (files.encode(photo, "bmp"), photo, 0),
        "greyscale": (files.encode(photo, mode="L", quality=95), grey[..., None], 4),
        "grey png": (files.encode(photo, "png", mode="L"), grey[..., None], 0),
        "16 bits": (files.encode(grey.astype(np.uint16) * 257, "png"), grey[..., None], 0),
        "one pixel": (files.encode(photo[:1, :1], quality=95), photo[:1, :1], 4),
        "webp": (files.encode(photo, "webp", lossless=True), photo, 0),
        "tiff": (files.encode(photo, "tiff"), photo, 0),
        "packed tiff": (files.encode(photo, "tiff", compression="tiff_lzw"), photo, 0),
        "tiff with jpeg": (files.encode(photo, "tiff", compression="jpeg", quality=95), photo, 4),
        "tiff of inks": (files.encode(photo, "tiff", mode="CMYK"), photo, 0),
        "transparent tiff": (files.encode(photo, "tiff", mode="RGBA"), photo, 0),
        "grey tiff": (files.encode(photo, "tiff", mode="L"), grey[..., None], 0),
        "16 bits, tiff": (files.encode(grey.astype(np.uint16) * 257, "tiff"), grey[..., None], 0),
        "a damaged end that can be read": (files.jpeg()[:-2] + b"\0\xff\xd9", photo, 4),
    }
    for kind, (data, wanted, tolerance) in kinds.items():
        made = images.decode(data, 3)
        assert (made.dtype, made.ndim, made.shape[-1]) == (np.uint8, 3, 3), kind
        assert images.size(data) == made.shape[:2]
        apart = np.abs(made.astype(int) - wanted).mean()
        assert apart <= tolerance, f"{kind}: {apart}"
    assert images.decode(files.jpeg(), 1).shape == (40, 60, 1)


def test_the_files_of_the_documents_become_what_they_mean():
    """Inks without Adobe's marker are not inverted; tags that turn a photo are not obeyed."""
    kinds = compare_decoders.pictures()
    refused = kinds.pop("JPEG that ends early")
    for kind, (data, meant) in kinds.items():
        made = images.decode(data, 3)
        assert np.abs(made.astype(int) - meant).mean() < (5 if "JPEG" in kind else 0.01), kind
    assert images.decode(kinds["JPEG, CMYK without it"][0], 1).shape == (48, 64, 1)
    with pytest.raises(images.Damaged):
        images.decode(refused[0], 3)


@pytest.mark.parametrize("kind", files.BAD)
def test_what_cannot_be_decoded_says_why(kind):
    data, message = files.BAD[kind]
    with pytest.raises(images.Damaged, match=message):
        images.decode(data, 3)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_without_a_range_are_no_black_picture(kind):
    data = files.encode(np.linspace(0, 1, 48).reshape(6, 8).astype(kind), "tiff")
    with pytest.raises(images.Damaged, match="8 or 16 bits"):
        images.decode(data, 3)


@pytest.mark.parametrize("kind", ["ppm", "ico", "eps", "pdf"])
def test_kinds_that_no_photo_has_are_not_opened(kind):
    """Pillow reads some of them by starting another program."""
    data = files.encode(files.photo(), kind)
    for look in (images.size, lambda data: images.decode(data, 3)):
        with pytest.raises(images.Damaged, match="no image"):
            look(data)


def test_a_smaller_scale_where_that_is_enough():
    data = files.jpeg(400, 600)
    whole = images.decode(data, 3)
    for most, divisor in [(0.3, 1), (1.99, 1), (2, 2), (3.9, 2), (4.1, 4), (100, 8)]:
        shrunk, by = images.shrunk(data, 3, most)
        assert (by, shrunk.shape) == (divisor, (400 // divisor, 600 // divisor, 3))
        block = whole.reshape(400 // by, by, 600 // by, by, 3).mean((1, 3))
        assert np.abs(block - shrunk).mean() < 1
    assert images.shrunk(files.encode(whole, "png"), 3, 8)[0].shape == whole.shape


@needs_shared
def test_photos_decode_as_pillow_decodes_them():
    """To the bit at full size: both are libjpeg's slow integer transform and fancy upsampling."""
    for path in sorted((SHARED / "data" / "photos").iterdir())[:12]:
        with Image.open(path) as image:
            wanted = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(images.decode(path.read_bytes(), 3), wanted)
