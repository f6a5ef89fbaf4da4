"""What the papers' augmentations show of a photo, and how far they change its colours."""

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
CANDIDATES["vgg"]["scales"] = (256, 512)  # as its last nets were trained
VARIANTS = {"smoke": {"draws": 50}}
# Two photos that come with scikit-learn, by D. Buechele and dultz (CC BY); the first is shown.
PHOTOS = ("china.jpg", "flower.jpg")
QUESTION = (
    "How much of a photo does a network see at once, by each paper's augmentation, and how far do "
    "its colours move?"
)
CAPTION = (
    "One photo, and what each paper's augmentation makes of it in seven draws: AlexNet's and "
    "ZFNet's crops keep its scale, VGG's and ResNet's vary it, GoogLeNet's take anything from 8 % "
    "of the area, change the aspect and, as BN-Inception's less so, contrast, brightness, colour."
)


def photo(name: str) -> bytes:
    """Return the file of one of PHOTOS."""
    return importlib.resources.files("sklearn.datasets.images").joinpath(name).read_bytes()


def run(
    candidates: Annotated[Mapping[str, Mapping[str, Any]], SOME] = CANDIDATES, draws: int = 1000
) -> Findings:
    """Draw each augmentation often.

    Args:
      candidates: options by name in augment.AUGMENTATIONS.
      draws: of each.
    """
    made = _made(candidates)
    rows = [{"augmentation": name, **row(one, draws)} for name, one in made.items()]
    picture = Picture(CAPTION, lambda path: _draw(path, made))
    return Findings(QUESTION, _answer(rows), rows, {"contact_sheet.jpg": picture})


def _made(candidates: Mapping[str, Mapping[str, Any]]) -> dict[str, augment.Augmentation]:
    """Return each, in the order of their papers; raise UserError for options it cannot have."""
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
    """Return the statistics of PHOTOS."""
    whole = [crops.decode(photo(name), 3, SQUARE, None, SIZE) for name in PHOTOS]
    return statistics.of([np.stack(whole)], SIZE, "square")


def row(made: augment.Augmentation, draws: int) -> Row:
    """Return what parts of the photo are seen, in shares of it, and how the mean colour moves."""
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
        f"Of a photo of {h}x{w} a network sees at once, on average (smallest-largest of "
        f"{rows[0]['n']:,} draws): {seen}. The mean of a channel moves, in grey levels of 255 "
        f"(standard deviation): {colours}."
    )


def examples(made: augment.Augmentation, count: int) -> list[np.ndarray]:
    """Return the photo as the network gets it, values cut off at 0 and 1, `count` times."""

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
        title = f"the photo, and what the network gets in {SHOWN} draws"
        drawing.suptitle(title, x=0.01, ha="left", fontweight="bold")
