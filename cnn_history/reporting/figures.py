"""The figures of a training run."""

import pathlib
import sys
from collections.abc import Sequence

import jax
import numpy as np

from cnn_history.papers import Published
from cnn_history.reporting import style

FOLDER, LAST = "figures", "curves.png"  # LAST is drawn last, so that it marks a complete folder
SHOWN = 40  # test images in the grid
MANY_CLASSES = 20  # with more, the confusion matrix has no numbers and no names


def curves(path: pathlib.Path, lines: list[dict], title: str, paper: Published | None) -> None:
    """Draw loss and error over steps, from the lines of metrics.jsonl.

    Args:
      path: path of the PNG.
      lines: lines of metrics.jsonl.
      title: title of the run.
      paper: printed result, drawn as a horizontal line; may be None.
    """
    with style.figure(path, 1, 2, figsize=(8.4, 3.2)) as (drawing, (loss, error)):
        from matplotlib.ticker import LogFormatter  # after style has said that there is no display

        for split, colour in (("train", style.TRAIN), ("test", style.TEST)):
            chosen = [line for line in lines if line["split"] == split]
            steps = [line["step"] for line in chosen]
            mark = {"marker": "o", "markersize": 3} if len(chosen) <= 12 else {}
            loss.plot(steps, [x["loss"] for x in chosen], color=colour, label=split, **mark)
            percent = [100 * x["top1_error"] for x in chosen]
            error.plot(steps, percent, color=colour, label=split, **mark)
        if paper:
            name = f"{paper.cited}: {paper.top1:.2f}"
            error.axhline(paper.top1, color=style.PAPER, linestyle="--", linewidth=1, label=name)
        for axes, name in ((loss, "loss"), (error, "error, %")):
            axes.set(title=name, xlabel="step", yscale="log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            # Within less than a decade there may be no major tick, and an axis with no number.
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        drawing.suptitle(title, x=0.01, ha="left", fontweight="bold")


def predictions(
    path: pathlib.Path,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    ids: np.ndarray,
    classes: tuple[str, ...],
) -> None:
    """Draw test images with predictions: first the most confident errors, then correct ones.

    Args:
      path: path of the PNG.
      images: uint8 [m, h, w, c].
      labels: int [n].
      probabilities: [n, classes].
      ids: int [n], the indices in `images` of labels and probabilities.
      classes: names of the classes.
    """
    said = probabilities.argmax(-1)
    wrong = np.flatnonzero(said != labels)
    confidence = probabilities[np.arange(len(said)), said]
    worst = wrong[np.argsort(-confidence[wrong])][: SHOWN // 2]
    chosen = [*worst, *np.flatnonzero(said == labels)[: SHOWN - len(worst)]]
    title = (
        f"{len(wrong)} of {len(labels)} predictions are wrong; the most confident errors, then "
        "correct predictions"
    )
    texts = []
    for i in chosen:
        right = said[i] == labels[i]
        truth = "" if right else f"\nis {classes[labels[i]]}"
        text = f"{classes[said[i]]}  {100 * confidence[i]:.0f} %{truth}"
        texts.append((text, style.RIGHT if right else style.WRONG))
    shown = [images[int(ids[i])] for i in chosen]
    _tiles(path, shown, 10, 1.18, title, texts)


def _tiles(
    path: pathlib.Path,
    tiles: Sequence[np.ndarray],
    columns: int,
    height: float,
    title: str,
    texts: Sequence[tuple[str, str]] = (),
) -> None:
    """Draw small images [h, w, c] in rows of `height` inches, with (text, colour) above."""
    rows = -(-len(tiles) // columns)
    size = (9, height * rows + 0.5)
    with style.figure(path, rows, columns, figsize=size) as (drawing, grid):
        for axes in np.ravel(grid):
            axes.axis("off")
        for axes, tile in zip(np.ravel(grid), tiles, strict=False):
            axes.imshow(tile.squeeze(), cmap="gray", interpolation="nearest")
        for axes, (text, colour) in zip(np.ravel(grid), texts, strict=False):
            axes.set_title(text, fontsize=6.5, color=colour, loc="center")
        drawing.suptitle(title, x=0.01, ha="left", fontweight="bold")


def confusion(
    path: pathlib.Path, labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]
) -> None:
    """Draw the confusion matrix, with a row for each label and a column for each prediction.

    Off the diagonal, shading is the share of the row, so that errors stand out.
    """
    k = len(classes)
    counts = np.zeros((k, k), int)
    np.add.at(counts, (labels, probabilities.argmax(-1)), 1)
    mistakes = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(mistakes, 0)
    largest = max(mistakes.max(), 1e-9)
    with style.figure(path, figsize=(5.6, 5.2)) as (_, axes):
        axes.imshow(mistakes, cmap=style.SEQUENTIAL, vmin=0, vmax=largest)
        axes.grid(False)
        axes.set(xlabel="prediction", ylabel="label")
        axes.set_title("confusion matrix (errors shaded by their share of the row)")
        if k > MANY_CLASSES:
            return
        turned = {"rotation": 45, "ha": "right"} if max(map(len, classes)) > 2 else {}
        axes.set_xticks(range(k), classes, **turned)
        axes.set_yticks(range(k), classes)
        for row, column in np.argwhere(counts):
            colour = "white" if mistakes[row, column] > 0.6 * largest else style.PAPER
            look = {"color": style.RIGHT if row == column else colour, "fontsize": 7}
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", **look)


def first_kernel(params, channels: int) -> np.ndarray | None:
    """Return the first layer's filters, [h, w, channels, filters]; None if not unique."""
    kernels = [p for p in jax.tree.leaves(params) if p.ndim == 4 and p.shape[2] == channels]
    return np.asarray(kernels[0], np.float32) if len(kernels) == 1 else None


def filters(path: pathlib.Path, kernel: np.ndarray) -> None:
    """Draw the filters of the first layer, each scaled to the full range of brightness.

    Args:
      path: path of the PNG.
      kernel: [h, w, c, filters], with 1 or 3 channels.
    """
    filters = np.moveaxis(kernel, -1, 0)
    low, high = (f(filters, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    title = f"first layer: {len(filters)} filters of {'x'.join(map(str, kernel.shape[:2]))}"
    _tiles(path, (filters - low) / np.maximum(high - low, 1e-9), 12, 0.75, title)


def run(
    folder: pathlib.Path,
    lines: list[dict],
    title: str,
    paper: Published | None,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    ids: np.ndarray,
    classes: tuple[str, ...],
    params,
) -> None:
    """Draw all figures of a run into `folder`; `params` are the network's, the others as above.

    A figure that fails is reported, and the others are drawn; OSError is raised. Predictions that
    are not finite are left out.
    """
    classes, title = [style.literal(name) for name in classes], style.literal(title)
    kept = np.isfinite(probabilities).all(-1)
    labels, probabilities, ids = labels[kept], probabilities[kept], ids[kept]
    kernel = first_kernel(params, images.shape[-1])
    drawn = {
        "predictions.png": (predictions, images, labels, probabilities, ids, classes),
        "confusion.png": (confusion, labels, probabilities, classes),
        **({} if kernel is None else {"filters.png": (filters, kernel)}),
        LAST: (curves, lines, title, paper),
    }
    for name, (draw, *arguments) in drawn.items():
        try:
            draw(folder / name, *arguments)
        except OSError:
            raise
        except Exception as error:
            line = f"'{folder / name}' is not drawn: {type(error).__name__}: {error}"
            print(" ".join(line.split()), file=sys.stderr)
