"""Whitening instead of standardizing: its effect on features and on training.

Huang et al. 2018 (arXiv:1804.08450), sec. 4; IterNorm: Huang et al. 2019 (arXiv:1904.03441).
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Annotated

import flax.linen as nn
import jax
import numpy as np
import optax

from cnn_history import initializers, layers, optimizers
from cnn_history.models.resnet import CifarResNet
from cnn_history.reporting import style
from cnn_history.studies import curves, residual_nets, train
from cnn_history.studies.data import BOTH, Data, images
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import columns, counted, said

BATCH_NORM = "batch norm"
iterative = functools.partial(layers.DecorrelatedBatchNorm, method="iterative")
NORMS = {
    BATCH_NORM: layers.BatchNorm,
    "DBN, first place": layers.DecorrelatedFirst,
    "DBN, every place": layers.DecorrelatedBatchNorm,
    "IterNorm, every place": iterative,
}
CHANNELS = 16  # of the features whose covariance is measured
LAYERS = {
    "batch norm": layers.BatchNorm(),
    "DBN, groups of 4": layers.DecorrelatedBatchNorm(4),
    "DBN, groups of 16": layers.DecorrelatedBatchNorm(CHANNELS),
    "IterNorm, T = 5": iterative(CHANNELS),
}
CLASSES = 10
RATE, DECAY = 0.1, 0.9  # He et al. 2015, sec. 4.2
LAST = 0.2  # the last fraction of the steps; training losses are means over it
TESTS = 5  # per run
QUESTION = (
    "Decorrelated batch normalization whitens the activations of each layer over a mini-batch, "
    "where batch normalization only centres and scales them."
)
COVARIANCES = (
    "Covariances of 16 features of the same images, before and after each normalization. The "
    "features are maps of a random 3x3 convolution, scaled to variance 1."
)
TRAINING = (
    "Left: the training loss of a residual net with each normalization, averaged over the seeds. "
    "Right: its test error, with the range of the seeds."
)
VARIANTS = {
    "smoke": {
        **{"dataset": "digits", "examples": 100, "features": (4, 8, 8)},
        **{"steps": 3, "batch_size": 16, "seeds": 2},
    },
    "long": {
        **{"dataset": "cifar10", "image_size": 32, "examples": 50_000, "blocks": 3},
        **{"features": (16, 32, 64), "steps": 8000, "batch_size": 128, "seeds": 3},
    },
}


def run(
    dataset: str = "cifar10",
    image_size: Annotated[int, residual_nets.IMAGE_SIZE] = 16,
    examples: int = 4000,
    blocks: int = 1,
    features: Annotated[Sequence[int], residual_nets.FEATURES] = (16, 32, 64),
    steps: int = 150,
    batch_size: int = 64,
    seeds: int = 3,
) -> Findings:
    """Compare covariances after each normalization, and training with each.

    Args:
      dataset: data set with ten classes.
      image_size: side to which images are resized.
      examples: most training images, and most test images, to use.
      blocks: n of a residual net of 6n+2 layers (He et al. 2015, sec. 4.2).
      features: maps of its three stages.
      steps: updates per run.
      batch_size: images per step.
      seeds: runs with each normalization.
    """
    data = images(dataset, image_size, examples, BOTH, CLASSES)
    covariances = features_covariances(data[0][0][: 10 * batch_size])
    losses, errors, parameters = {}, {}, {}
    for name, norm in NORMS.items():
        network = CifarResNet(blocks, features=tuple(features), norm=norm)
        losses[name], errors[name], parameters[name] = trainings(
            network, *data, steps, batch_size, seeds
        )
    rows = [
        {"part": "covariance", "norm": name, "mean_off_diagonal": off_diagonal(found)}
        for name, found in covariances.items()
    ]
    rows += [
        {
            "part": "training",
            "norm": name,
            "parameters": parameters[name],
            **columns("loss", curves.end(losses[name], LAST)),
            **counted("test_error", errors[name][:, -1]),
        }
        for name in NORMS
    ]
    pictures = {"covariances.png": _matrices(covariances), "training.png": _curves(losses, errors)}
    return Findings(QUESTION, answer(covariances, parameters, losses, errors), rows, pictures)


def features_covariances(images: jax.Array) -> dict[str, np.ndarray]:
    """[n, h, w, c] -> covariances of CHANNELS features, before and after each of LAYERS."""

    @jax.jit
    def features():
        convolution = layers.Conv(CHANNELS, (3, 3), kernel_init=initializers.he())
        maps, _ = convolution.init_with_output(jax.random.key(0), images)
        maps = maps / maps.std((0, 1, 2))

        def behind(layer):
            variables = layer.init(jax.random.key(0), maps, use_running_average=True)
            return layer.apply(variables, maps, use_running_average=False, mutable=["batch_stats"])

        return [maps, *(behind(layer)[0] for layer in LAYERS.values())]

    found = (np.asarray(maps, float).reshape(-1, CHANNELS).T for maps in features())
    return dict(zip(("before", *LAYERS), (np.cov(x, bias=True) for x in found), strict=True))


def off_diagonal(matrix: np.ndarray) -> float:
    """Return the mean absolute value of the entries off the diagonal."""
    return float(np.abs(matrix[~np.eye(len(matrix), dtype=bool)]).mean())


def trainings(
    network: nn.Module,
    learned: Data,
    tested: Data,
    steps: int,
    batch_size: int,
    seeds: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return training losses [seeds, steps], test errors [seeds, tests] and the parameter count."""
    rule = optimizers.momentum(RATE, DECAY)
    updates_of = train.trainer(network, lambda _: rule, learned, batch_size)
    test, when = train.tester(network, tested), set(test_steps(steps))
    losses, errors = np.zeros((seeds, steps), np.float32), [[] for _ in range(seeds)]
    for seed, tests in enumerate(errors):
        updates = itertools.islice(updates_of(train.keys(seed)), steps)
        for step, update in enumerate(updates):
            losses[seed, step] = update.seen
            if step + 1 in when:
                tests.append(test(train.variables(update.state))[1])
    return losses, np.array(errors), optax.tree.size(update.state.params)


def test_steps(steps: int) -> list[int]:
    """Return the steps after which test errors are measured; the last one is the end."""
    return sorted({max(1, round(steps * i / TESTS)) for i in range(1, TESTS + 1)})


def answer(
    covariances: dict[str, np.ndarray],
    parameters: dict[str, int],
    losses: dict[str, np.ndarray],
    errors: dict[str, np.ndarray],
) -> str:
    """Give the covariances, and for each norm whether it beats batch norm."""
    shown = [f"{off_diagonal(found):.3f} {name}" for name, found in covariances.items()]
    count = " or ".join(f"{n:,}" for n in sorted(set(parameters.values())))
    words = []
    for name in NORMS:
        if name == BATCH_NORM:
            continue
        loss = said(curves.end(losses[BATCH_NORM], LAST) - curves.end(losses[name], LAST))
        error = said(100 * (errors[BATCH_NORM] - errors[name])[:, -1])
        words.append(f"{name}: lower training loss, {loss}; lower test error in points, {error}")
    n = len(losses[BATCH_NORM])
    return (
        f"Mean covariance off the diagonal: {', '.join(shown)}. Nets of {count} parameters, "
        f"compared with batch norm: {'; '.join(words)}. 95 % intervals over {n} seeds."
    )


@picture(COVARIANCES, 1, 1 + len(LAYERS), figsize=(9.6, 2.2))
def _matrices(panels, found: dict[str, np.ndarray]) -> None:
    for (name, matrix), panel in zip(found.items(), panels, strict=True):
        image = style.image(panel, matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        panel.set_title(name)
    panel.figure.colorbar(image, ax=panels, shrink=0.8)


@picture(TRAINING, 1, 2, figsize=(9.6, 3.6))
def _curves(panels, losses: dict, errors: dict) -> None:
    for name, found in losses.items():
        panels[0].plot(*curves.smooth(found, 20), label=name)
        style.seeds(panels[1], test_steps(found.shape[1]), 100 * errors[name])
    panels[0].set(title="training loss", xlabel="step")
    panels[1].set(title="test error, with the range of the seeds", xlabel="step", ylabel="%")
