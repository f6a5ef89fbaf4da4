"""Filters factorized into smaller ones, and smaller grids without a bottleneck (Szegedy et al.
2015, "Rethinking the Inception architecture", sec. 3 and 5; lecture, "Inception v2, v3").
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import accounting, layers, models
from cnn_history.models.conv_unit import ConvUnit
from cnn_history.models.inception_v3 import Figure5, Figure6, Reduction17, Reduction35
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.stack import Window, cost, name

QUESTION = (
    "more variants of inception modules with aggressive factorization of filters; increase the "
    "number of feature maps while decreasing spatial resolution."
)
CAPTION = (
    "Multiply-adds of each form as a share of the first of its group, which is grey: single "
    "filters, modules of Inception-v3, and its reductions of the grid."
)

# Filters, and what they are factorized into.
FILTERS = (
    (((5, 5),), ((3, 3), (3, 3))),
    (((3, 3),), ((1, 3), (3, 1))),
    (((5, 5),), ((1, 5), (5, 1))),
    (((7, 7),), ((1, 7), (7, 1))),
)
GRID = (17, 17, 64)  # for FILTERS
VARIANTS = {"smoke": {}}


@dataclasses.dataclass(frozen=True)
class Square(ConvUnit):
    """The unit of a module before factorization: one square filter for two of its own.

    Attributes:
      square: for the name of each filter that is left, its side; those in `left_out` are gone.
    """

    square: tuple[tuple[str, int], ...] = ()
    left_out: tuple[str, ...] = ()

    def __call__(self, x, features, window, name, strides=1, padding=None, *, train):
        """As ConvUnit."""
        if name in self.left_out:
            return x
        side = dict(self.square).get(name)
        window = window if side is None else (side, side)
        return super().__call__(x, features, window, name, strides, padding, train=train)


class Reduction(nn.Module):
    """A reduction of the grid by one convolution and a pooling, one behind the other.

    Attributes:
      features: of the output.
      pool_first: cheap, but narrow; else dear, and wide (fig. 9).
    """

    features: int
    pool_first: bool

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, (h - 1) // 2, (w - 1) // 2, features]."""
        pool = layers.MaxPool((3, 3), (2, 2), name="pool")
        conv = functools.partial(ConvUnit(), train=train)
        if self.pool_first:
            return conv(pool(x), self.features, (3, 3), "3x3")
        return pool(conv(x, self.features, (3, 3), "3x3"))


# Modules of Inception-v3: before factorization, as released, and the maps that both take.
MODULES = {
    "fig. 5, 5x5 as two 3x3": (
        Figure5(64, Square(square=(("double_3x3_2", 5),), left_out=("double_3x3_1",))),
        Figure5(64, ConvUnit()),
        (35, 35, 288),
    ),
    "fig. 6, 7x7 as 1x7 and 7x1": (
        Figure6(
            128,
            Square(
                square=(("7x7_2", 7), ("double_7x7_2", 7), ("double_7x7_4", 7)),
                left_out=("7x7_1", "double_7x7_1", "double_7x7_3"),
            ),
        ),
        Figure6(128, ConvUnit()),
        (17, 17, 768),
    ),
}
# Grid reductions of Inception-v3: as released, the maps that they take, and the depth they make.
GRIDS = {
    "35x35 to 17x17": (Reduction35(ConvUnit()), (35, 35, 288), 768),
    "17x17 to 8x8": (Reduction17(ConvUnit()), (17, 17, 768), 1280),
}


def totals(module: nn.Module, size: tuple[int, int, int]) -> dict[str, int]:
    """Return weights and multiply-adds of a module on maps (h, w, c)."""
    _, found = accounting.trace(module, size)
    weights, macs = sum(layer.weights for layer in found), sum(layer.macs for layer in found)
    return {"weights": weights, "multiply_adds": macs}


def maps(names: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Return (h, w, c) of the results of the named modules of Inception-v3."""
    net = models.create("inception_v3")
    init = functools.partial(
        net.init_with_output, train=False, mutable=True, capture_intermediates=True
    )
    image = jax.ShapeDtypeStruct((1, *models.info("inception_v3").input), jnp.float32)
    _, state = jax.eval_shape(init, jax.random.key(0), image)
    return [state["intermediates"][name]["__call__"][0].shape[1:] for name in names]


def run() -> Findings:
    """Count every form before and after, and draw what is left of its operations."""
    rows = [
        row
        for before, after in FILTERS
        for row in _group(name(before), {name(form): _filters(form) for form in (before, after)})
    ]
    for what, (square, released, size) in MODULES.items():
        rows += _group(what, {"before": totals(square, size), "released": totals(released, size)})
    for what, (released, size, features) in GRIDS.items():
        modules = {
            "convolution, then pooling": Reduction(features, pool_first=False),
            "pooling, then convolution": Reduction(features, pool_first=True),
            "released": released,
        }
        rows += _group(what, {form: totals(module, size) for form, module in modules.items()})
    return Findings(QUESTION, _answer(rows), rows, {"multiply_adds.png": _draw(rows)})


def _group(what: str, forms: dict[str, dict]) -> list[dict]:
    """Return the rows of forms, the first of which is the whole that the others are a share of."""
    whole = next(iter(forms.values()))["multiply_adds"]
    return [
        {"what": what, "form": form, **found, "share": found["multiply_adds"] / whole}
        for form, found in forms.items()
    ]


def _filters(form: tuple[Window, ...]) -> dict[str, int]:
    found = cost(form, GRID)
    names = {"field": "counted_field", "weights": "parameters", "multiply_adds": "macs"}
    return {name: found[theirs] for name, theirs in names.items()}


def fewer(before: tuple[Window, ...], after: tuple[Window, ...]) -> float:
    """Return by what factor one stack has fewer weights than another."""
    return cost(before, GRID)["parameters"] / cost(after, GRID)["parameters"]


def _answer(rows: list[dict]) -> str:
    said = [f"{name(a)} as {name(b)} takes {fewer(a, b):.2f} times fewer" for a, b in FILTERS]
    released = {row["what"]: row["share"] for row in rows if row["form"] == "released"}
    figure_5, figure_6 = MODULES
    walk = maps(("Mixed_5d", "Mixed_6a", "Mixed_7a", "Mixed_7c"))
    return (
        f"multiply-adds and weights: {', '.join(said)}. The module of {figure_5} has "
        f"{100 * released[figure_5]:.0f} % of its operations left, that of {figure_6} "
        f"{100 * released[figure_6]:.0f} %. The reductions of the grid leave "
        f"{' and '.join(f'{100 * released[grid]:.0f} %' for grid in GRIDS)} of what a convolution "
        f"before the pooling takes, and need not squeeze the maps as pooling first does. The maps: "
        f"{', '.join('x'.join(map(str, shape)) for shape in walk)}."
    )


@picture(CAPTION, figsize=(7.4, 5.76))
def _draw(axes, rows: list[dict]) -> None:
    first = np.array([row["share"] == 1 for row in rows])
    places = np.arange(len(rows)) + 0.6 * first.cumsum()
    shown = [100 * row["share"] for row in rows]
    bars = axes.barh(places, shown, color=np.where(first, style.PAPER, style.TRAIN), height=0.8)
    axes.bar_label(bars, fmt="{:.0f} %", padding=3, fontsize=7)
    labels = [
        row["form"]
        if row["share"] < 1 or row["what"] == row["form"]
        else f"{row['what']}: {row['form']}"
        for row in rows
    ]
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="multiply-adds, % of the first of its group", xlim=(0, 112))
    axes.grid(axis="y", visible=False)
