"""The style of all figures, and functions that draw and save them."""

import contextlib
import pathlib

TRAIN, TEST, PAPER = "#4c78a8", "#d1495b", "#6b7280"  # distinct in grey and for colour-blind eyes
RIGHT, WRONG = "#2e7d4f", "#d1495b"
SEQUENTIAL = "Blues"
CATEGORIES = ("#4c78a8", "#d1495b", "#2e7d4f", "#b7791f", "#7b5ea7", "#0e8a94", "#9d5c3f",
              "#c2569b", "#6b7280")  # fmt: skip

COLOURS = 128  # of an animation
SETTINGS = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.prop_cycle": f"cycler(color={CATEGORIES})",
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
}


def literal(text: str) -> str:
    """Return `text` escaped, because matplotlib reads text between dollars as a formula."""
    return text.replace("$", r"\$")


@contextlib.contextmanager
def _subplots(path: pathlib.Path, settings: dict, rows: int, columns: int, options: dict):
    """Yield pyplot's figure and axes, and a temporary file that finally replaces `path`."""
    import matplotlib

    matplotlib.use("Agg")  # files only, no display
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with matplotlib.rc_context(SETTINGS | settings):
        drawing, axes = pyplot.subplots(rows, columns, **options)
        yield drawing, axes, unfinished
        pyplot.close(drawing)
    unfinished.replace(path)


@contextlib.contextmanager
def figure(path: pathlib.Path, rows: int = 1, columns: int = 1, **options):
    """Yield (figure, axes) in the project's style, then write `path` in the format of its suffix.

    Axes with labelled lines get a legend, unless the caller made one.
    """
    with _subplots(path, {}, rows, columns, options) as (drawing, axes, unfinished):
        yield drawing, axes
        if not (drawing.legends or any(one.get_legend() for one in drawing.axes)):
            for one in drawing.axes:
                if one.get_legend_handles_labels()[0]:
                    one.legend()
        drawing.savefig(unfinished, format=path.suffix[1:])


@contextlib.contextmanager
def animation(path: pathlib.Path, per_second: int, rows: int = 1, columns: int = 1, **options):
    """Yield (frame, axes) in the project's style, then write a repeating GIF to `path`.

    `frame()` records the drawing as the next frame. The first frame must have all colours.
    """
    import numpy as np
    from PIL import Image

    frames = []
    with _subplots(path, {"figure.dpi": 100}, rows, columns, options) as (drawing, axes, file):

        def frame():
            drawing.canvas.draw()
            drawing.set_layout_engine("none")  # keep the first frame's layout
            image = Image.fromarray(np.asarray(drawing.canvas.buffer_rgba())).convert("RGB")
            # The first frame's palette without dithering halves the size and avoids flicker.
            palette = frames[0] if frames else image.quantize(COLOURS, Image.Quantize.FASTOCTREE)
            frames.append(image.quantize(palette=palette, dither=Image.Dither.NONE))

        yield frame, axes
        first, *rest = frames
        milliseconds = 1000 // per_second
        first.save(file, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)


def seeds(axes, x, values, **look) -> None:
    """Draw the mean of values [seeds, n] as a line, and their range as a band."""
    band(axes, x, values.mean(0), values.min(0), values.max(0), **look)


def band(axes, x, middle, low, high, **look) -> None:
    """Draw the line `middle`, with a band from `low` to `high`."""
    (line,) = axes.plot(x, middle, **look)
    axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def image(axes, pixels, **options):
    """Draw pixels without ticks and grid, and return the mappable for a colour bar."""
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    return axes.imshow(pixels, **options)
