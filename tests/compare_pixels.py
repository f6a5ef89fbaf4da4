"""Compare test photos with torchvision's, and positions of training crops with exact ones.

EXTRAS=torch ./launch.sh python -m tests.compare_pixels --photos=DIR
"""

import pathlib
import sys
import types
from unittest import mock

import numpy as np
from absl import app, flags
from PIL import Image

from cnn_history.datasets import adapters, crops, images
from tests.datasets import files

PHOTOS = flags.DEFINE_string("photos", None, "Folder of JPEG files, of natural sizes.")
flags.mark_flag_as_required("photos")


def torchvision():
    """Return its transforms, of a wheel too whose operators do not fit the PyTorch that is here."""
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("not needed")
    from torchvision import transforms

    return transforms


def under_test(size, transforms):
    """Return how many photos are torchvision's to one level, of how many, and the most apart."""
    theirs = transforms.Compose(
        [transforms.Resize(round(size * 8 / 7)), transforms.CenterCrop(size)]
    )
    apart = []
    for path in sorted(pathlib.Path(PHOTOS.value).iterdir()):
        ours = adapters.shown(images.decode(path.read_bytes(), 3), size, "resize_crop")
        with Image.open(path) as photo:
            made = np.asarray(theirs(photo.convert("RGB")))
        apart.append(int(np.abs(ours.astype(int) - made).max()))
    return sum(one <= 1 for one in apart), len(apart), max(apart)


def off_centre(heights):
    """Return how far the centre of a photo lies from that of its crop, at most, in pixels.

    The photo is bright in the middle; with its negative, whose grey levels are rounded up too, the
    rounding leaves no side brighter.
    """
    whole = adapters.for_any_size("resize")
    worst = 0.0
    for h in heights:
        w = 33 + (7 * h) % 768
        y, x = (np.linspace(-1, 1, 2 * side + 1)[1::2] for side in (h, w))  # centres of pixels
        bump = np.outer(np.cos(np.pi * y / 2), np.cos(np.pi * x / 2)) ** 2
        photo = np.round(255 * bump).astype(np.uint8)
        both = [files.encode(one, quality=100) for one in (photo, 255 - photo)]
        for size in (29, 56, 113, 224):
            bright, dark = (crops.decode(data, 1, whole, None, size)[..., 0] for data in both)
            made = bright + 255.0 - dark
            places = np.arange(size) - (size - 1) / 2
            worst = max(worst, *(abs(made.sum(axis) @ places / made.sum()) for axis in (0, 1)))
    return worst


def of_scaled_decodes(size):
    """Return how far photos decoded at a half lie from whole ones, on average, in grey levels."""
    crop = adapters.for_any_size("resize_crop")
    apart = []
    for path in sorted(pathlib.Path(PHOTOS.value).iterdir()):
        data = path.read_bytes()
        made = crops.decode(data, 3, crop, None, size).astype(int)
        decoded = images.shrunk(data, 3, 1)
        with mock.patch.object(images, "shrunk", return_value=decoded):
            whole = crops.decode(data, 3, crop, None, size)
        apart.append(np.abs(made - whole).mean())
    return np.mean(apart)


def main(argv):
    del argv
    transforms = torchvision()
    for size in (224, 299):
        print("{}: {} of {} photos within one level of torchvision, at most {}".format(
            size, *under_test(size, transforms)))  # fmt: skip
    print(f"decoded at a half, 112: {of_scaled_decodes(112):.2f} grey levels from whole decodes")
    print(f"centres, sides of 33 to 800: at most {off_centre(range(33, 801, 4)):.4f} pixels off")


if __name__ == "__main__":
    app.run(main)
