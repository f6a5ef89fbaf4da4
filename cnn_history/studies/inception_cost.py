"""The operations that bottlenecks save in an Inception module (lecture, "GoogLeNet")."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import accounting
from cnn_history.accounting import Layer
from cnn_history.models.googlenet import InceptionModule, Widths
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture

INPUT = (28, 28, 256)
MODULES = {
    "naive": InceptionModule(Widths(128, None, 192, None, 96, None)),
    "bottleneck": InceptionModule(Widths(128, 64, 192, 64, 96, 64)),
}
LECTURE = {"naive": 854, "bottleneck": 358}  # millions of operations, on its slides
QUESTION = (
    f"A naive Inception module on 28x28x256 takes {LECTURE['naive']}M operations, one with 1x1 "
    f"bottlenecks {LECTURE['bottleneck']}M. The output of the first is 672 deep; the bottleneck "
    "can reduce that."
)
CAPTION = (
    "Multiply-adds of the convolutions of both modules, stacked. Dashed lines are the lecture's "
    "totals. Its total for the module with bottlenecks is too high by the 3x3 convolution."
)
VARIANTS = {"smoke": {}}


@functools.cache
def convolutions(module: str) -> dict[str, Layer]:
    """Return the convolutions of one of MODULES, by layer name."""
    _, layers = accounting.trace(MODULES[module], INPUT)
    return {layer.name: layer for layer in layers if layer.operation == "conv"}


def operations(module: str) -> dict[str, int]:
    """Return the multiply-adds of a module's convolutions, by layer name."""
    return {name: layer.macs for name, layer in convolutions(module).items()}


def depth(module: str) -> int:
    """Return the depth of a module's output, the sum over its branches."""
    image = jax.ShapeDtypeStruct((1, *INPUT), jnp.float32)
    init = functools.partial(MODULES[module].init_with_output, train=False)
    output, _ = jax.eval_shape(init, jax.random.key(0), image)
    return output.shape[-1]


def counted_twice(terms: dict[str, int], millions: int) -> list[str]:
    """Return the terms that, counted twice, make the sum round to `millions`."""
    total = sum(terms.values())
    return [name for name, term in terms.items() if round((total + term) / 1e6) == millions]


def run() -> Findings:
    """Count operations, weights and depth of both modules by tracing them."""
    rows = []
    for module in MODULES:
        layers = convolutions(module)
        rows += [_row(module, name, layer.output[-1], [layer]) for name, layer in layers.items()]
        rows.append(_row(module, "total", depth(module), layers.values()))
    return Findings(QUESTION, _answer(), rows, {"operations.png": _draw()})


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
        f"Bottlenecks reduce {naive:,} operations to {bottleneck:,}, by a factor of "
        f"{naive / bottleneck:.2f}, and the depth from {depth('naive')} to {depth('bottleneck')}. "
        f"The lecture's {LECTURE['bottleneck']}M is the same sum with {twice} counted twice: "
        f"{bottleneck + operations('bottleneck')[twice]:,}."
    )


@picture(CAPTION, figsize=(8, 2.6))
def _draw(axes) -> None:
    terms = {module: operations(module) for module in MODULES}
    said, left = [LECTURE[module] for module in MODULES], np.zeros(len(MODULES))
    for name in terms["bottleneck"]:
        widths = [of.get(name, 0) / 1e6 for of in terms.values()]
        bars = axes.barh(list(MODULES), widths, 0.6, left, label=name.replace("_", " "), ec="white")
        names = [name if width > 40 else "" for width in widths]
        axes.bar_label(bars, names, label_type="center", color="white")
        left += widths
    axes.bar_label(bars, [f"{total:.0f}M" for total in left], padding=5, fontweight="bold")
    axes.vlines(said, [-0.4, 0.6], [0.4, 1.4], color=style.PAPER, linestyle="--")
    axes.text(said[-1] + 8, 1, f"the lecture: {said[-1]}M", va="center", color=style.PAPER)
    axes.set(xlim=(0, 940), xlabel="millions of multiply-adds")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right", ncols=3)
