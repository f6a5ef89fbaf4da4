"""The later Inception networks (Szegedy et al. 2015), and the table that compares errors."""

import numpy as np

from cnn_history.lecture.claim import AGREES, BY_STUDY, QUOTED, Finding, slide
from cnn_history.lecture.quoted import errors, rows
from cnn_history.lecture.read_off import shape
from cnn_history.papers import HE_2015, IOFFE_2015, SIMONYAN_2014, SZEGEDY_2014, SZEGEDY_2015
from cnn_history.studies import auxiliary_heads, factorization

SEEDS, STEPS = 3, 25
ROUNDING = 0.1  # the abstract gives one decimal
WALK = ("Mixed_5d", "Mixed_6a", "Mixed_7a", "Mixed_7c")
FACTORED = (factorization.FILTERS[0], factorization.FILTERS[3])  # 5x5 as two 3x3, 7x7 as 1x7, 7x1


def ensemble(top1: float, top5: float) -> Finding:
    """The best row, whose numbers the abstract gives to one decimal."""
    found = {row.split: row for row in rows(SZEGEDY_2015, "Inception-v3, 4 models")}
    val, test = found["val"], found["test"]
    near = abs(top1 - val.top1) <= ROUNDING + 1e-9 and abs(top5 - test.top5) <= ROUNDING
    return Finding(
        f"printed: val top-1 {val.top1}, val top-5 {val.top5}, test top-5 {test.top5} "
        f"({val.source})",
        near,
        "The abstract agrees to 0.1. The unexplained * marks 3.58 as a test error.",
    )


def heads() -> Finding:
    """The effects of auxiliary heads with batch normalization and without."""
    seen = auxiliary_heads.measure("digits", 32, STEPS, batch_size=16, seeds=SEEDS)
    trained = all(np.isfinite(found.loss).all() for found in seen.values())
    importance = auxiliary_heads.importance(seen)
    return Finding(f"GoogLeNet, {STEPS} steps on digits; with batch norm, {importance}", trained)


def factors() -> Finding:
    """The savings by factorized filters, and by a module of them."""
    stacks = {before[0][0]: factorization.fewer(before, after) for before, after in FACTORED}
    module = next(name for name in factorization.MODULES if "7x7" in name)
    square, released, size = factorization.MODULES[module]
    before, after = (factorization.totals(m, size)["multiply_adds"] for m in (square, released))
    return Finding(
        f"fewer multiply-adds: {stacks[5]:.2f}x for 5x5 as two 3x3, {stacks[7]:.1f}x for 7x7 as "
        f"1x7 and 7x1, {before / after:.2f}x for the module at {size[0]}x{size[1]}",
        stacks[5] > 1 and stacks[7] == 7 / 2 and before > after,
    )


def walk(said: tuple[tuple[int, int, int], ...]) -> Finding:
    """The shapes of the maps of Inception-v3, in order."""
    found = factorization.maps(WALK)
    return Finding(" -> ".join(map(shape, found)), tuple(map(tuple, found)) == said)


CLAIMS = (
    *slide(
        "Inception v2/v3 table",
        ("C136", "VGGNet 2 models 23.7/6.8", QUOTED, errors, SIMONYAN_2014, "D and E",
         "multi_crop_and_dense", 23.7, 6.8),
        ("C137", "GoogLeNet 7, 144 crops, 6.67", QUOTED, errors, SZEGEDY_2014,
         "GoogLeNet, 7 models", "crops144", None, 6.67),
        ("C138", "PReLU 4.94", QUOTED, errors, HE_2015, "PReLU-net", "multi_scale_dense",
         None, None, 4.94),
        ("C139", "BN-Inception 6, 144, 20.1/4.9", QUOTED, errors, IOFFE_2015,
         "BN-Inception ensemble", "crops144", 20.1, 4.9),
        ("C140", "Inception-v3 4, 144, 17.2/3.58*", QUOTED, ensemble, 17.2, 3.58),
    ),
    *slide(
        "Inception v2, v3",
        ("C157", "batch normalization reduces the importance of auxiliary classifiers",
         BY_STUDY, heads),
        ("C158", "more variants of inception modules with aggressive factorization of filters",
         AGREES, factors),
        ("C159", "increase the number of feature maps while decreasing spatial resolution",
         AGREES, walk, ((35, 35, 288), (17, 17, 768), (8, 8, 1280), (8, 8, 2048))),
    ),
)  # fmt: skip
