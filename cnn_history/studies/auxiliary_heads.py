"""GoogLeNet's auxiliary classifiers: their effect on lower layers, without and with batch norm.

Szegedy et al. 2014, sec. 5, and Szegedy et al. 2015 (arXiv:1512.00567), sec. 4.
"""

import functools
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import layers, optimizers
from cnn_history.choices import whole
from cnn_history.models.googlenet import TABLE_1, GoogLeNet
from cnn_history.reporting import style
from cnn_history.studies import curves, train
from cnn_history.studies.data import images
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import columns, counted, decided, ends
from cnn_history.studies.train import Watched

WEIGHTS = {"none": 0.0, "both": 0.3}  # of the heads' losses; sec. 5
RATE, DECAY = 0.01, 0.9
LAYERS = ("conv1", "conv2", *(name for name, widths in TABLE_1.items() if widths))
LOWER = ("conv1", "conv2", "inception_3a", "inception_3b")  # below both heads, before pool3
SMALLEST = 31  # side of the smallest image for which the last maps have a position
LAST = 0.2  # the last fraction of the steps; training losses are means over it
QUESTION = (
    "GoogLeNet's auxiliary classifiers inject additional gradient at lower layers; batch "
    "normalization reduces the importance of auxiliary classifiers."
)
CAPTION = (
    "Left: the gradient of each layer's kernels before training, with both auxiliary classifiers "
    "and without. Right: the training loss of the main classifier, averaged over the seeds."
)
VARIANTS = {
    "smoke": {"image_size": 32, "steps": 2, "batch_size": 4, "seeds": 1},
    "long": {"dataset": "cifar10", "image_size": 96, "steps": 8000, "batch_size": 128, "seeds": 3},
}


class Net(GoogLeNet):
    """GoogLeNet for images of any size; the heads pool any map to 4x4."""

    adaptive_heads: ClassVar[bool] = True
    smallest: ClassVar[int] = SMALLEST
    smallest_with_heads: ClassVar[int] = SMALLEST


class NormalizedNet(Net):
    """`Net` with batch normalization after every convolution, and without LRN."""

    norm_after_convolutions: ClassVar[bool] = True


KINDS = {
    "GoogLeNet": functools.partial(Net, norm=layers.LocalResponseNorm),
    "with batch norm": functools.partial(NormalizedNet, norm=layers.BatchNorm),
}


def run(
    dataset: str = "digits",
    image_size: Annotated[int, whole(SMALLEST)] = 64,
    steps: int = 60,
    batch_size: int = 16,
    seeds: int = 3,
) -> Findings:
    """Train with and without heads and batch norm, and record the gradients.

    Args:
      dataset: data set; its training images are used.
      image_size: side to which images are resized; 31 or more.
      steps: updates of each net, by momentum at a constant rate.
      batch_size: images per step.
      seeds: nets of each kind.
    """
    seen = measure(dataset, image_size, steps, batch_size, seeds)
    rows = [_row(kind, heads, found) for (kind, heads), found in seen.items()]
    return Findings(QUESTION, answer(seen), rows, {"heads.png": _draw(seen)})


def measure(
    dataset: str, image_size: int, steps: int, batch_size: int, seeds: int
) -> dict[tuple[str, str], Watched]:
    """Return losses and gradients by (kind, heads), [seeds, steps]; arguments as for `run`."""
    (data,) = images(dataset, image_size)
    classes = int(data[1].max()) + 1
    rule = optimizers.momentum(RATE, DECAY)
    seen = {}
    for kind, build in KINDS.items():
        network = build(num_classes=classes, aux_heads=True)
        observe = train.watching(kernel_norms)
        updates_of = train.trainer(network, lambda _: rule, data, batch_size, observe=observe)
        for heads, weight in WEIGHTS.items():
            found = train.observed_by_seed(updates_of, seeds, steps, aux_weight=weight)
            seen[kind, heads] = found
    return seen


def kernel_norms(gradient) -> dict[str, jax.Array]:
    """Return the root mean square gradient of the kernels of each layer or module."""
    found = {}
    for name in LAYERS:
        kernels = [g for g in jax.tree.leaves(gradient[name]) if g.ndim > 1]
        squares = sum(jnp.sum(jnp.square(g)) for g in kernels)
        found[name] = jnp.sqrt(squares / optax.tree.size(kernels))
    return found


def _lower(seen: Watched) -> np.ndarray:
    """Return the geometric mean of the first gradients of the LOWER layers, [seeds]."""
    return np.exp(np.mean([np.log(seen.gradient[name][:, 0]) for name in LOWER], 0))


def _row(kind: str, heads: str, seen: Watched) -> dict:
    first, last = (seen.gradient[name][:, 0].mean() for name in (LAYERS[0], LAYERS[-1]))
    return {
        "net": kind,
        "heads": heads,
        **columns("gradient_below_heads_at_start", _lower(seen)),
        "gradient_conv1_over_5b": first / last,
        **counted("training_loss", curves.end(seen.loss, LAST)),
    }


def answer(seen: dict[tuple[str, str], Watched]) -> str:
    """Describe the effect of the heads on the layers below them and on the main classifier.

    Args:
      seen: losses and gradients by (kind, heads), [seeds, steps].
    """
    times, gains = _times(seen), _gains(seen)
    said = [
        f"{kind}: before training, heads make the gradient below them {times[kind].mean():.1f} "
        f"times as large; they lower the main training loss by {ends(gains[kind])}"
        for kind in KINDS
    ]
    return f"{'; '.join(said)}. With batch norm, {importance(seen)}."


def importance(seen: dict[tuple[str, str], Watched]) -> str:
    """Compare the effects of the heads with batch norm and without; `seen` as for `answer`."""
    times, gains = _times(seen), _gains(seen)
    gradient = _less(times, "the factor on the gradient is")
    loss = _less(gains, "the gain in loss is")
    return f"{gradient} and {loss} (95 % intervals over {len(gains['GoogLeNet'])} seeds)"


def _times(seen: dict) -> dict[str, np.ndarray]:
    """Return the factor by which heads enlarge the gradient below them, by kind, [seeds]."""
    return {kind: _lower(seen[kind, "both"]) / _lower(seen[kind, "none"]) for kind in KINDS}


def _gains(seen: dict) -> dict[str, np.ndarray]:
    """Return the amount by which heads lower the main training loss, by kind, [seeds]."""
    loss = {key: curves.end(found.loss, LAST) for key, found in seen.items()}
    return {kind: loss[kind, "none"] - loss[kind, "both"] for kind in KINDS}


def _less(of: dict[str, np.ndarray], what: str) -> str:
    """Describe whether a quantity is smaller with batch norm than without."""
    difference = of["GoogLeNet"] - of["with batch norm"]
    word = decided(difference, "smaller", "larger", "neither smaller nor larger (inconclusive)")
    return f"{what} {word}, by {ends(difference)}"


@picture(CAPTION, 1, 2, figsize=(9.6, 3.6))
def _draw(panels, seen: dict) -> None:
    gradients, losses = panels
    colours = {"GoogLeNet": style.TEST, "with batch norm": style.TRAIN}
    for (kind, heads), found in seen.items():
        look = {"color": colours[kind], "linestyle": "-" if heads == "both" else ":"}
        at_start = [found.gradient[layer][:, 0].mean() for layer in LAYERS]
        gradients.plot(LAYERS, at_start, marker="o", markersize=3, **look)
        name = f"{kind}, {'both heads' if heads == 'both' else 'no heads'}"
        losses.plot(*curves.smooth(found.loss, 15), label=name, **look)
    gradients.set(title="rms gradient of the kernels before training", yscale="log")
    short = [name.removeprefix("inception_") for name in LAYERS]
    gradients.set_xticks(range(len(LAYERS)), short, rotation=45, ha="right")
    losses.set(title="training loss of the main classifier", xlabel="step")
