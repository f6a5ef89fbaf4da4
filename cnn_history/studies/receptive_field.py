"""Receptive field and cost of stacks of 3x3 convolutions (lecture, "VGGNet")."""

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import initializers
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.stack import Stack, Window, cost, name

# Derivatives below this share of the largest are rounding errors of inexact forms of convolution.
# The smallest true one is 1/49 of the largest (the corner of three 3x3).
ROUNDING = 1e-3
SIZE = 15  # side of the image; odd, so that one output is in the middle
STACKS = (
    ((3, 3),),
    ((3, 3), (3, 3)),
    ((5, 5),),
    ((3, 3), (3, 3), (3, 3)),
    ((7, 7),),
)
QUESTION = (
    "A stack of three 3x3 convolutions of stride 1 has the same effective receptive field as one "
    "7x7 layer, is deeper, has more non-linearities, and fewer parameters: 3 (3^2 C^2) against "
    "7^2 C^2."
)
CAPTION = (
    "Derivative of the middle output with respect to each pixel, for equal weights. A stack of "
    "3x3 sees the same square as one large filter, but weights its middle more than its rim."
)
VARIANTS = {"smoke": {}}


def gradient(windows: tuple[Window, ...]) -> np.ndarray:
    """Return the derivative of a stack's middle output with respect to the image, [15, 15].

    Weights and image are positive, so that every ReLU is active and no two paths cancel.
    """
    stack = Stack(windows, 1, kernel_init=initializers.constant(1.0))
    image = jnp.ones((1, SIZE, SIZE, 1))
    variables = stack.init(jax.random.key(0), image, train=False)

    def middle(image):
        return stack.apply(variables, image, train=False)[0, SIZE // 2, SIZE // 2, 0]

    return np.asarray(jax.grad(middle)(image))[0, :, :, 0]


def field(windows: tuple[Window, ...]) -> int:
    """Return the side of the square of pixels that affect a stack's middle output."""
    seen = gradient(windows)
    seen = seen > ROUNDING * seen.max()
    (height,), (width,) = np.unique(seen.sum(0)[seen.any(0)]), np.unique(seen.sum(1)[seen.any(1)])
    assert height == width
    return int(height)


def run(channels: int = 64) -> Findings:
    """Compare stacks of 3x3 with single larger filters.

    Args:
      channels: channels of the input and of every layer; the map is 56x56.
    """
    rows = [
        {"stack": name(windows), "field": field(windows), **cost(windows, (56, 56, channels))}
        for windows in STACKS
    ]
    return Findings(QUESTION, _answer(rows), rows, {"field.png": _draw()})


def _answer(rows: list[dict]) -> str:
    by_name = {row["stack"]: row for row in rows}
    said = []
    for stack, single in (("3x3 3x3", "5x5"), ("3x3 3x3 3x3", "7x7")):
        many, one = by_name[stack], by_name[single]
        said.append(
            f"{many['nonlinearities']} layers of 3x3 see {many['field']}x{many['field']} pixels "
            f"with {many['nonlinearities']} non-linearities. One layer of {single} sees "
            f"{one['field']}x{one['field']} with {one['nonlinearities']}, at "
            f"{one['parameters'] / many['parameters']:.2f} times the parameters and "
            f"{one['macs'] / many['macs']:.2f} times the multiply-adds."
        )
    return " ".join(said)


@picture(CAPTION, 1, len(STACKS), figsize=(2 * len(STACKS), 2.5))
def _draw(panels) -> None:
    for axes, windows in zip(panels, STACKS, strict=True):
        seen, side = gradient(windows), field(windows)
        shown = np.where(seen > ROUNDING * seen.max(), seen / seen.max(), np.nan)
        style.image(axes, shown, cmap=style.SEQUENTIAL, vmin=-0.25, vmax=1)
        axes.set_title(f"{name(windows)}\nsees {side}x{side}", fontsize=9)
