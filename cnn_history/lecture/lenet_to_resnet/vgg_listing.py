"""The lecture's listing of VGG16: memory and parameters of each layer, and their totals."""

import functools
import math

from cnn_history.lecture.claim import AGREES, ERRS, Finding, slide
from cnn_history.lecture.read_off import account, layer, shape
from cnn_history.studies.vgg_budget import BYTES, EARLY, LATE, shares, weights, with_relus

MODEL = "vgg16"
whole = functools.partial(account, MODEL)
ROUNDING = 0.02  # the slide writes 802,816 as 800K, 3,211,264 as 3.2M
FIRST = 28  # C028 is the first row

# Layer, (h, w, c), memory and factors of its number of weights, as on the slide.
LISTING = (
    ("conv1_1", (224, 224, 64), 3.2e6, (3, 3, 3, 64)),
    ("conv1_2", (224, 224, 64), 3.2e6, (3, 3, 64, 64)),
    ("pool1", (112, 112, 64), 800e3, ()),
    ("conv2_1", (112, 112, 128), 1.6e6, (3, 3, 64, 128)),
    ("conv2_2", (112, 112, 128), 1.6e6, (3, 3, 128, 128)),
    ("pool2", (56, 56, 128), 400e3, ()),
    ("conv3_1", (56, 56, 256), 800e3, (3, 3, 128, 256)),
    ("conv3_2", (56, 56, 256), 800e3, (3, 3, 256, 256)),
    ("conv3_3", (56, 56, 256), 800e3, (3, 3, 256, 256)),
    ("pool3", (28, 28, 256), 200e3, ()),
    ("conv4_1", (28, 28, 512), 400e3, (3, 3, 256, 512)),
    ("conv4_2", (28, 28, 512), 400e3, (3, 3, 512, 512)),
    ("conv4_3", (28, 28, 512), 400e3, (3, 3, 512, 512)),
    ("pool4", (14, 14, 512), 100e3, ()),
    ("conv5_1", (14, 14, 512), 100e3, (3, 3, 512, 512)),
    ("conv5_2", (14, 14, 512), 100e3, (3, 3, 512, 512)),
    ("conv5_3", (14, 14, 512), 100e3, (3, 3, 512, 512)),
    ("pool5", (7, 7, 512), 25e3, ()),
    ("fc6", (1, 1, 4096), 4096, (7, 7, 512, 4096)),
    ("fc7", (1, 1, 4096), 4096, (4096, 4096)),
    ("fc8", (1, 1, 1000), 1000, (4096, 1000)),
)


def near(said: float, number: int) -> bool:
    """Return whether a number on the slide is `number`, rounded."""
    return abs(said - number) <= ROUNDING * number


def row(name: str, size: tuple[int, ...], said: float, factors: tuple[int, ...]) -> Finding:
    """Shape, memory and weights in a row of the listing."""
    found = layer(MODEL, name)
    product = math.prod(factors) if factors else 0
    right = (found.output, found.weights) == (size, product) and near(said, found.activations)
    return Finding(f"memory {found.activations:,} params {found.weights:,}", right)


def image(size: tuple[int, ...], said: float) -> Finding:
    """Shape and memory of the input."""
    number = whole().input_activations
    return Finding(f"{number:,}", whole().input == size and near(said, number))


def memory(said: int) -> Finding:
    """The sum of all activations."""
    total, relus = whole().activations, with_relus(whole())
    return Finding(
        f"{total:,} = {total / 1e6:.1f}M -> {total * BYTES / 1e6:.2f} MB",
        round(total / 1e6) == said,
        f"The listed activations sum to {total / 1e6:.1f}M floats, {total * BYTES / 1e6:.0f} MB. "
        f"With each ReLU's output stored beside its input, it would be {relus / 1e6:.1f}M "
        f"({relus * BYTES / 1e6:.0f} MB). No reading gives {said}M.",
    )


def backward() -> Finding:
    """Activations and their gradients, which have the same shapes."""
    one = whole().activations / 1e6
    text = f"2 x {one:.1f}M = {2 * one:.1f}M floats = {2 * one * BYTES:.0f} MB"
    return Finding(text, True, "A rule of thumb: each activation has a gradient of its shape.")


def parameters(said: int) -> Finding:
    """The number of parameters, with biases and without."""
    bare, full = weights(whole()), whole().parameters
    right = round(bare / 1e6) == said == round(full / 1e6)
    return Finding(f"{bare:,} without biases, {full:,} with", right)


def early() -> Finding:
    """The share of the memory in the layers up to pool2."""
    share, first = (shares(whole(), names)[0] for names in (EARLY, EARLY[:2]))
    return Finding(f"{100 * share:.1f}% (conv1_1+conv1_2 alone {100 * first:.1f}%)", share > 0.5)


def late() -> Finding:
    """The share of the weights in the fully-connected layers."""
    share, first = (shares(whole(), names)[1] for names in (LATE, LATE[:1]))
    return Finding(f"{100 * share:.1f}% (fc6 alone {100 * first:.1f}%)", share > 0.5)


ROWS = [
    (f"C{i:03}", f"{said[0]} {shape(said[1])} memory, params", AGREES, row, *said)
    for i, said in enumerate(LISTING, start=FIRST)
]
CLAIMS = slide(
    "VGG16 listing",
    *ROWS,
    ("C049", "INPUT 224*224*3 = 150K", AGREES, image, (224, 224, 3), 150e3),
    ("C050", "TOTAL memory 24M * 4 bytes ~ 96MB / image", ERRS, memory, 24),
    ("C051", "~*2 for bwd", AGREES, backward),
    ("C052", "TOTAL params 138M", AGREES, parameters, 138),
    ("C053", "Most memory is in early CONV", AGREES, early),
    ("C054", "Most params are in late FC", AGREES, late),
)
