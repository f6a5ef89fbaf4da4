"""Randomly changed image files give an image or a refusal with a reason, nothing else.

The long form: `./launch.sh test tests/datasets/test_mutated_images.py --hypothesis-profile=long`.
"""

import functools
import os
import pathlib
import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_history import datasets
from cnn_history.datasets import adapters, crops, images, skipped
from tests.datasets import files, test_stream
from tests.shared import SHARED

SIZE = 16
PHOTOS = 3  # real ones, where they are at hand
MEGABYTES = 1100  # of a process that decodes the largest image there may be; measured: 741

CROPS = (
    *map(adapters.for_any_size, adapters.OF_ANY_SIZE),
    functools.partial(crops.random_position, scales=(20, 24)),
    crops.random_in_centre,
    crops.one_of_ten,
    functools.partial(crops.random_area, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)),
)


def originals():
    """Return files to change."""
    photo = files.photo()
    made = [
        files.encode(photo, quality=90),
        files.encode(photo, progressive=True),
        files.encode(photo, subsampling="4:2:0", restart_marker_blocks=2),
        files.encode(photo, mode="L"),
        files.encode(photo, mode="CMYK"),
        files.encode(photo, "png"),
        files.encode(photo, "png", mode="P"),
        files.encode(photo, "gif", mode="P"),
        files.encode(photo, "bmp"),
        files.encode(photo, "webp"),
    ]
    folder = SHARED / "data" / "photos"
    if folder.is_dir():
        made += [path.read_bytes() for path in sorted(folder.iterdir())[:PHOTOS]]
    return made


ORIGINALS = originals()


@st.composite
def mutated(draw):
    """Return a file: bytes changed, left out, put in, repeated, cut off, or of two files."""
    data = draw(st.sampled_from(ORIGINALS))
    place = st.integers(0, len(data)) | st.integers(0, 700)  # the headers stand at the beginning
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["set", "flip", "remove", "insert", "repeat", "cut", "join"]))
        at = min(draw(place), max(len(data) - 1, 0))
        if kind == "set":
            data = data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at + 1 :]
        elif kind == "flip" and data:
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif kind == "remove":
            data = data[:at] + data[at + draw(st.integers(1, 400)) :]
        elif kind == "insert":
            data = data[:at] + draw(st.binary(min_size=1, max_size=64)) + data[at:]
        elif kind == "repeat":
            data = data[:at] + data[at : at + 300] * draw(st.integers(2, 5)) + data[at + 300 :]
        elif kind == "cut":
            data = data[:at]
        else:
            data = data[:at] + draw(st.sampled_from(ORIGINALS))[at:]
    return data


@given(mutated(), st.sampled_from(CROPS), st.sampled_from([1, 3]), st.integers(0, 9))
def test_an_image_or_a_refusal(data, crop, channels, seed):
    draws = np.random.default_rng(seed).random(crops.DRAWS)
    for decode in (
        lambda: images.decode(data, channels),
        lambda: crops.decode(data, channels, crop, draws, SIZE),
    ):
        try:
            made = decode()
        except images.Damaged as error:
            said = str(error)
        else:
            said = "an image"
            assert (made.dtype, made.ndim, made.shape[2]) == (np.uint8, 3, channels)
            assert 0 < made[..., 0].size <= images.MAX_PIXELS
        assert said


@settings(max_examples=settings().max_examples // 20)  # each a folder
@given(st.lists(mutated(), min_size=4, max_size=4))
def test_all_that_cannot_be_decoded_is_counted(tmp_path_factory, changed):
    root = tmp_path_factory.mktemp("folder")
    files.make_folder(root, train=8, val=0)
    for i, data in enumerate(changed):
        (root / "train" / "ant" / f"changed{i}.JPEG").write_bytes(data)
    source = datasets.source("folder", "train", str(root))

    def fails(i):
        draws = crops.draws(0, 0, i)
        try:
            crops.decode(source.encoded(i).image, 3, test_stream.CROP, draws, SIZE)
        except images.Damaged:
            return True
        return False

    said = []
    skip = skipped.Skipped(len(source), said.append)
    made = test_stream.steps(source, stop=len(source) // test_stream.BATCH + 1, skip=skip)
    assert len(said) == sum(map(fails, range(len(source))))
    assert all(batch["image"].shape == (8, SIZE, SIZE, 3) for batch in made)


DECODE = """
import pathlib, sys
from cnn_history.datasets import images
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        images.decode(path.read_bytes(), 3)
    except images.Damaged as error:
        print(path.name, error)
# Not ru_maxrss, which starts from what the process that started this one held.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def test_memory_is_bounded(tmp_path):
    """Bombs that claim all that a header can claim, and the largest image that is allowed."""
    side = 1 << 13  # squared: MAX_PIXELS
    bombs = {
        "claiming.jpeg": files.claiming_jpeg(65_500, 65_500),
        "claiming.png": files.claiming_png(1 << 30, 1 << 30),
        "real.png": files.encode(np.zeros((9_000, 9_000), np.uint8), "png"),
        "largest.png": files.encode(np.zeros((side, side), np.uint8), "png"),
        "largest.jpeg": files.claiming_jpeg(side, side),
        "text.png": files.png_with_text(1 << 30),
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
        assert len(data) < 2e6
    # launch.sh has glibc keep what a process frees; what is asked here is what decoding needs.
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    result = subprocess.run(
        [sys.executable, "-c", DECODE, str(tmp_path)],
        cwd=pathlib.Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    *refused, megabytes = result.stdout.splitlines()
    assert [line.split()[0] for line in refused] == [
        "claiming.jpeg", "claiming.png", "largest.jpeg", "real.png", "text.png"
    ]  # fmt: skip
    assert int(megabytes) < MEGABYTES, megabytes
