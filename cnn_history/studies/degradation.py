"""Plain against residual nets at growing depth (He et al. 2015, fig. 1, 6; lecture, "ResNet")."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from cnn_history import optimizers
from cnn_history.models.resnet import CifarResNet
from cnn_history.reporting import style
from cnn_history.studies import curves, residual_nets, train
from cnn_history.studies.data import images
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import counted, decided, ends

SHORTCUTS = {"plain": None, "residual": "A"}
RATE, DECAY = 0.1, 0.9  # the paper's, sec. 4.2
LAST = 0.1  # the last fraction of the steps; training losses are means over it
SMALLEST = 1e-4  # smaller losses are drawn at this one
QUESTION = (
    "As networks get deeper, is it harder to train them? A deeper plain net could copy a shallower "
    "one and add identities, so it should do no worse on the training set."
)
CAPTION = (
    "Left and middle: training loss by step, a line for each depth, averaged over the seeds. "
    "Right: loss of the last steps against depth, with a point for each seed."
)
VARIANTS = {
    "smoke": {"depths": (8, 14), "features": (4, 8, 16), "steps": 10, "seeds": 2},
    "long": {
        **{"dataset": "cifar10", "image_size": 32, "depths": (20, 32, 44, 56)},
        **{"features": (16, 32, 64), "steps": 8000, "batch_size": 128, "seeds": 3},
    },
}


def run(
    dataset: str = "digits",
    image_size: Annotated[int, residual_nets.IMAGE_SIZE] = 8,
    depths: Annotated[Sequence[int], residual_nets.DEPTHS] = (8, 20, 32, 56),
    features: Annotated[Sequence[int], residual_nets.FEATURES] = (8, 16, 32),
    steps: int = 300,
    batch_size: int = 64,
    seeds: int = 3,
) -> Findings:
    """Train plain and residual nets of each depth with the same settings.

    Args:
      dataset: data set; its training images are used.
      image_size: side to which images are resized.
      depths: numbers of layers, each 6n+2.
      features: maps of the three stages; 16, 32, 64 in the paper.
      steps: updates of each net, at a constant rate.
      batch_size: images per step.
      seeds: nets of each kind and depth.
    """
    (data,) = images(dataset, image_size)
    rule = optimizers.momentum(RATE, DECAY)
    losses = {}  # by (kind, depth), [seeds, steps]
    for kind, shortcut in SHORTCUTS.items():
        for depth in depths:
            network = CifarResNet((depth - 2) // 6, shortcut, features=tuple(features))
            updates_of = train.trainer(network, lambda _: rule, data, batch_size)
            losses[kind, depth] = train.observed_by_seed(updates_of, seeds, steps)
    rows = [
        {"net": kind, "depth": depth, **counted("training_loss", curves.end(found, LAST))}
        for (kind, depth), found in losses.items()
    ]
    return Findings(QUESTION, answer(losses), rows, {"depth.png": _draw(losses)})


def answer(losses: dict[tuple[str, int], np.ndarray]) -> str:
    """State for each kind whether its deepest net trains worse than its shallowest.

    Args:
      losses: by (kind, depth), [seeds, steps].
    """
    depths = [depth for _, depth in losses]
    shallow, deep = min(depths), max(depths)
    said = []
    for kind in SHORTCUTS:
        more = curves.end(losses[kind, deep], LAST) - curves.end(losses[kind, shallow], LAST)
        words = decided(
            more,
            f"fits its training images worse than that of {shallow}",
            f"fits its training images better than that of {shallow}",
            f"and that of {shallow} fit them equally well, as far as the seeds show",
        )
        said.append(
            f"The {kind} net of {deep} layers {words}: its loss is {ends(more, '.3f')} higher."
        )
    n = len(losses["plain", deep])
    return f"{' '.join(said)} 95 % intervals over {n} seeds."


@picture(CAPTION, 1, 3, figsize=(9.6, 3.2), width_ratios=(1, 1, 0.9))
def _draw(panels, losses: dict) -> None:
    depths = sorted({depth for _, depth in losses})
    colours = {"plain": style.TEST, "residual": style.TRAIN}
    last = panels[2]
    for axes, (kind, colour) in zip(panels, colours.items(), strict=False):
        for i, depth in enumerate(depths, start=1):
            steps, line = curves.smooth(losses[kind, depth], 30)
            share = i / len(depths)
            look = {"color": colour, "alpha": 0.35 + 0.65 * share, "lw": 0.6 + 1.4 * share}
            axes.plot(steps, np.maximum(line, SMALLEST), label=f"{depth} layers", **look)
        axes.set(title=f"{kind} nets", xlabel="step", yscale="log")
        found = np.stack([curves.end(losses[kind, depth], LAST) for depth in depths])
        last.plot(depths, found, "o", color=colour, markersize=3, alpha=0.6)
        last.plot(depths, found.mean(1), color=colour, label=kind)
    panels[1].sharey(panels[0])
    panels[0].set_ylabel("training loss")
    last.set(title="loss of the last steps", xlabel="layers", yscale="log", xticks=depths)
