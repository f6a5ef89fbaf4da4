"""What bottlenecks save in an Inception module, and the lecture's sum (lecture, "GoogLeNet")."""

import functools
import pathlib

import jax
import jax.numpy as jnp

from cnn_history import accounting
from cnn_history.accounting import Layer
from cnn_history.models.googlenet import InceptionModule, Widths
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, Picture

INPUT = (28, 28, 256)
MODULES = {
    "naive": InceptionModule(Widths(128, None, 192, None, 96, None)),
    "bottleneck": InceptionModule(Widths(128, 64, 192, 64, 96, 64)),
}
LECTURE = {"naive": 854, "bottleneck": 358}  # millions of operations, on its slides
QUESTION = (
    f"a naive Inception module on 28x28x256 takes {LECTURE['naive']}M operations, one with "
    f"bottlenecks of 1x1 {LECTURE['bottleneck']}M; the output of the first is 672 deep, and the "
    "bottleneck can reduce that."
)
CAPTION = (
    "Multiply-adds of the convolutions of both modules, stacked to their totals; the dashed lines "
    "are the lecture's totals. That of the module with bottlenecks is too high by its 3x3."
)
VARIANTS = {"smoke": {}}


def convolutions(module: str) -> dict[str, Layer]:
    """Return the convolutions of one of MODULES by name."""
    _, layers = accounting.trace(MODULES[module], INPUT)
    return {layer.name: layer for layer in layers if layer.operation == "conv"}


def operations(module: str) -> dict[str, int]:
    """Return the multiply-adds of its convolutions."""
    return {name: layer.macs for name, layer in convolutions(module).items()}


def depth(module: str) -> int:
    """Return the depth of its output, that of its branches together."""
    image = jax.ShapeDtypeStruct((1, *INPUT), jnp.float32)
    init = functools.partial(MODULES[module].init_with_output, train=False)
    output, _ = jax.eval_shape(init, jax.random.key(0), image)
    return output.shape[-1]


def counted_twice(terms: dict[str, int], millions: int) -> list[str]:
    """Return the terms that make the sum `millions` when they are counted twice."""
    total = sum(terms.values())
    return [name for name, term in terms.items() if round((total + term) / 1e6) == millions]


def run() -> Findings:
    """Count the operations, weights and depth of both modules by tracing them."""
    rows = []
    for module in MODULES:
        layers = convolutions(module)
        rows += [_row(module, name, layer.output[-1], [layer]) for name, layer in layers.items()]
        rows.append(_row(module, "total", depth(module), layers.values()))
    return Findings(QUESTION, _answer(), rows, {"operations.png": Picture(CAPTION, _draw)})


def _row(module: str, name: str, depth: int, layers) -> dict:
    return {
        "module": module,
        "layer": name,
        "depth": depth,
        "weights": sum(layer.weights for layer in layers),
        "multiply_adds": sum(layer.macs for layer in layers),
    }


def _answer() -> str:
    naive, bottleneck = (sum(operations(module).values()) for module in MODULES)
    (twice,) = counted_twice(operations("bottleneck"), LECTURE["bottleneck"])
    return (
        f"{naive:,} against {bottleneck:,} operations, {naive / bottleneck:.2f} times fewer, and a "
        f"depth of {depth('naive')} against {depth('bottleneck')}. The lecture's "
        f"{LECTURE['bottleneck']}M are the same sum with the {twice} counted twice: "
        f"{bottleneck + operations('bottleneck')[twice]:,}."
    )


def _draw(path: pathlib.Path) -> None:
    with style.figure(path, figsize=(8, 2.6)) as (_, axes):
        colours = dict(zip(operations("bottleneck"), style.CATEGORIES, strict=False))
        for place, module in enumerate(reversed(MODULES)):
            left = 0.0
            for name, macs in operations(module).items():
                width = macs / 1e6
                label = name.replace("_", " ") if module == "bottleneck" else None
                bar = {"color": colours[name], "edgecolor": "white", "height": 0.6}
                axes.barh(place, width, left=left, label=label, **bar)
                if width > 40:
                    middle = left + width / 2
                    axes.text(middle, place, name, ha="center", va="center", color="white")
                left += width
            axes.text(left + 8, place, f"{left:.0f}M", va="center", fontweight="bold")
            said = LECTURE[module]
            axes.plot([said, said], [place - 0.4, place + 0.4], color=style.PAPER, linestyle="--")
        axes.text(
            LECTURE["bottleneck"] + 8, 0, f"the lecture: {LECTURE['bottleneck']}M", va="center",
            color=style.PAPER,
        )  # fmt: skip
        axes.set(yticks=range(len(MODULES)), yticklabels=reversed(MODULES), xlim=(0, 940))
        axes.set(xlabel="millions of multiply-adds")
        axes.grid(axis="y", visible=False)
        axes.legend(loc="lower right", ncols=3)
