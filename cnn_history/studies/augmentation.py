"""How much of a photo each paper's augmentation shows, and how far it shifts the colours."""

import importlib.resources
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cnn_history import errors
from cnn_history.choices import Kind, call, options
from cnn_history.config import AUGMENTATION
from cnn_history.datasets import adapters, augment, crops, images, statistics
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, Picture, Row
from cnn_history.studies.interval import columns

SIZE = 224
SQUARE = adapters.for_any_size("square")
SOME = Kind("a group of one or more", lambda v: isinstance(v, Mapping) and len(v) > 0)
SHOWN = 7  # draws in the picture
CANDIDATES = {
    name: {option: it.default for option, it in options(augment.AUGMENTATIONS[name]).items()}
    for name in ("alexnet", "zfnet", "vgg", "resnet", "googlenet", "inception")
}
CANDIDATES["vgg"]["scales"] = (256, 512)  # the paper's scale jittering
VARIANTS = {"smoke": {"draws": 50}}
# Two photos that come with scikit-learn, by D. Buechele and dultz (CC BY); the first is shown.
PHOTOS = ("china.jpg", "flower.jpg")
QUESTION = (
    "How much of a photo does each paper's augmentation show at once, and how far does it shift "
    "the colours?"
)
CAPTION = (
    "A photo and seven draws from each paper's augmentation. AlexNet's and ZFNet's crops keep the "
    "scale, VGG's and ResNet's vary it. GoogLeNet's take 8 % of the area or more, change the "
    "aspect ratio and, like BN-Inception's but more strongly, contrast, brightness and colour."
)


def photo(name: str) -> bytes:
    """Return the JPEG file of one of PHOTOS, as bytes."""
    return importlib.resources.files("sklearn.datasets.images").joinpath(name).read_bytes()


def run(
    candidates: Annotated[Mapping[str, Mapping[str, Any]], SOME] = CANDIDATES, draws: int = 1000
) -> Findings:
    """Measure the views that each augmentation draws.

    Args:
      candidates: options of each augmentation, by its name in augment.AUGMENTATIONS.
      draws: views drawn from each.
    """
    made = _made(candidates)
    rows = [{"augmentation": name, **row(one, draws)} for name, one in made.items()]
    picture = Picture(CAPTION, lambda path: _draw(path, made))
    return Findings(QUESTION, _answer(rows), rows, {"contact_sheet.jpg": picture})


def _made(candidates: Mapping[str, Mapping[str, Any]]) -> dict[str, augment.Augmentation]:
    """Return the augmentations in the order of their papers; raise UserError for bad options."""
    makers, found = {}, measured()
    for name in candidates:
        group = ml_collections.ConfigDict({**candidates, "name": name})
        AUGMENTATION.check(group, "config.candidates")
        makers[name] = AUGMENTATION.bind(group)
    with errors.field("candidates"):
        return {
            name: call(makers[name], statistics=lambda: found, size=SIZE)
            for name in augment.AUGMENTATIONS
            if name in makers
        }


def measured() -> statistics.Statistics:
    """Return mean image and colour covariance of PHOTOS."""
    whole = [crops.decode(photo(name), 3, SQUARE, None, SIZE) for name in PHOTOS]
    return statistics.of([np.stack(whole)], SIZE, "square")


def row(made: augment.Augmentation, draws: int) -> Row:
    """Return the shares of the photo that views show, and the shift of the mean colour."""
    h, w = images.size(photo(PHOTOS[0]))
    parts = [made.crop(crops.draws(0, 0, i), h, w, SIZE) for i in range(draws)]
    areas = np.array([part.height * part.width for part in parts]) / (h * w)
    aspects = np.array([part.width / part.height for part in parts])
    small = adapters.unit(crops.decode(photo(PHOTOS[0]), 3, SQUARE, None, 64))
    moved = jax.jit(jax.vmap(lambda key: jnp.mean(made.colour(key, small) - small, (0, 1))))(
        jax.random.split(jax.random.key(0), draws)
    )
    return {
        "n": draws,
        **columns("area_seen", areas),
        "area_smallest": areas.min(),
        "area_largest": areas.max(),
        "width_to_height_smallest": aspects.min(),
        "width_to_height_largest": aspects.max(),
        "mirrored": np.mean([part.mirrored for part in parts]),
        "grey_levels_moved_sd": float(255 * np.std(moved)),
    }


def _answer(rows: list[Row]) -> str:
    seen = "; ".join(
        f"{r['augmentation']} {100 * r['area_seen']:.0f} % "
        f"({100 * r['area_smallest']:.0f}-{100 * r['area_largest']:.0f})"
        for r in rows
    )
    colours = ", ".join(f"{r['augmentation']} {r['grey_levels_moved_sd']:.1f}" for r in rows)
    h, w = images.size(photo(PHOTOS[0]))
    return (
        f"Share of a {h}x{w} photo in one view, mean (smallest-largest of {rows[0]['n']:,} draws): "
        f"{seen}. Standard deviation of a channel's mean, in grey levels of 255: {colours}."
    )


def examples(made: augment.Augmentation, count: int) -> list[np.ndarray]:
    """Return `count` views of the photo as the network gets them, clipped to [0, 1]."""

    def shown(i):
        pixels = crops.decode(photo(PHOTOS[0]), 3, made.crop, crops.draws(0, 0, i), SIZE)
        return np.clip(made.colour(jax.random.key(i), adapters.unit(pixels)), 0, 1)

    return list(map(shown, range(count)))


def _draw(path: pathlib.Path, made: Mapping[str, augment.Augmentation]) -> None:
    original = images.decode(photo(PHOTOS[0]), 3)
    size = (9, 1.16 * len(made) + 0.3)
    with style.figure(path, len(made), SHOWN + 1, figsize=size) as (drawing, grid):
        for line, (name, one) in zip(grid, made.items(), strict=True):
            line[0].set_ylabel(name, fontsize=9)
            for axes, image in zip(line, (original, *examples(one, SHOWN)), strict=True):
                style.image(axes, image)
                axes.spines[:].set_visible(False)
        title = f"the photo and {SHOWN} views drawn for the network"
        drawing.suptitle(title, x=0.01, ha="left", fontweight="bold")
