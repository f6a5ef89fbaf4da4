"""Factorized filters, and grid reductions without a bottleneck (lecture, "Inception v2, v3").

Szegedy et al. 2015, "Rethinking the Inception architecture", sec. 3 and 5.
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
    "Multiply-adds of each form, relative to the first form of its group (grey): single filters, "
    "modules of Inception-v3, and its grid reductions."
)

# Filters, and the filters that replace them.
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
    """The convolution of a module before factorization: one square filter in place of two.

    Attributes:
      square: (name, side) of each filter that becomes square.
      left_out: names of the filters that are dropped.
    """

    square: tuple[tuple[str, int], ...] = ()
    left_out: tuple[str, ...] = ()

    def __call__(self, x, features, window, name, strides=1, padding=None, *, train):
        """Return x for a dropped filter; otherwise as ConvUnit."""
        if name in self.left_out:
            return x
        side = dict(self.square).get(name)
        window = window if side is None else (side, side)
        return super().__call__(x, features, window, name, strides, padding, train=train)


class Reduction(nn.Module):
    """A grid reduction by a convolution and a pooling, in either order (fig. 9).

    Attributes:
      features: maps of the output.
      pool_first: whether to pool first, which is cheap but narrows the representation.
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


# Modules of Inception-v3: before factorization, as released, and (h, w, c) of their input.
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
# Grid reductions of Inception-v3: as released, (h, w, c) of the input, and depth of the output.
GRIDS = {
    "35x35 to 17x17": (Reduction35(ConvUnit()), (35, 35, 288), 768),
    "17x17 to 8x8": (Reduction17(ConvUnit()), (17, 17, 768), 1280),
}


def totals(module: nn.Module, size: tuple[int, int, int]) -> dict[str, int]:
    """Return weights and multiply-adds of a module for an input of (h, w, c)."""
    _, found = accounting.trace(module, size)
    weights, macs = sum(layer.weights for layer in found), sum(layer.macs for layer in found)
    return {"weights": weights, "multiply_adds": macs}


def maps(names: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Return (h, w, c) of the outputs of modules of Inception-v3, by name."""
    net = models.create("inception_v3")
    init = functools.partial(
        net.init_with_output, train=False, mutable=True, capture_intermediates=True
    )
    image = jax.ShapeDtypeStruct((1, *models.info("inception_v3").input), jnp.float32)
    _, state = jax.eval_shape(init, jax.random.key(0), image)
    return [state["intermediates"][name]["__call__"][0].shape[1:] for name in names]


def run() -> Findings:
    """Count weights and multiply-adds of each form before and after factorization."""
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
    """Return a row for each form, with its multiply-adds relative to the first form's."""
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
    """Return the weights of the stack `before` over those of the stack `after`."""
    return cost(before, GRID)["parameters"] / cost(after, GRID)["parameters"]


def _answer(rows: list[dict]) -> str:
    said = [f"{name(a)} as {name(b)} {fewer(a, b):.2f} times fewer" for a, b in FILTERS]
    released = {row["what"]: row["share"] for row in rows if row["form"] == "released"}
    figure_5, figure_6 = MODULES
    walk = maps(("Mixed_5d", "Mixed_6a", "Mixed_7a", "Mixed_7c"))
    return (
        f"Multiply-adds and weights: {', '.join(said)}. The module of {figure_5} keeps "
        f"{100 * released[figure_5]:.0f} % of its operations, that of {figure_6} "
        f"{100 * released[figure_6]:.0f} %. The grid reductions need "
        f"{' and '.join(f'{100 * released[grid]:.0f} %' for grid in GRIDS)} of the operations of a "
        "convolution before pooling, without the bottleneck of pooling first. Maps: "
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
    axes.set(xlabel="multiply-adds, % of the group's first form", xlim=(0, 112))
    axes.grid(axis="y", visible=False)
