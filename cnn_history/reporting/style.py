"""One visual language for all figures."""

import contextlib
import pathlib

TRAIN, TEST, PAPER = "#4c78a8", "#d1495b", "#6b7280"  # apart in grey, and for colour-blind eyes
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
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


def literal(text: str) -> str:
    """Return a text that a figure shows as it is: between dollars it would be a formula."""
    return text.replace("$", r"\$")


@contextlib.contextmanager
def figure(path: pathlib.Path, rows: int = 1, columns: int = 1, **options):
    """Give (figure, axes) in the project's style, and write them to `path`, by its suffix."""
    import matplotlib

    matplotlib.use("Agg")  # files only: no display is asked for
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(SETTINGS):
        drawing, axes = pyplot.subplots(rows, columns, **options)
        yield drawing, axes
        unfinished = path.with_suffix(".unfinished")
        drawing.savefig(unfinished, format=path.suffix[1:])
        pyplot.close(drawing)
    unfinished.replace(path)


@contextlib.contextmanager
def animation(path: pathlib.Path, per_second: int, rows: int = 1, columns: int = 1, **options):
    """Give (frame, axes) in the project's style, and write a GIF that repeats to `path`.

    `frame()` takes what is drawn as the next frame; the first one shows all colours that there are.
    """
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(SETTINGS | {"figure.dpi": 100}):
        drawing, axes = pyplot.subplots(rows, columns, **options)
        frames = []

        def frame():
            drawing.canvas.draw()
            drawing.set_layout_engine(
                "none"
            )  # after the first frame nothing moves but what is drawn
            image = Image.fromarray(np.asarray(drawing.canvas.buffer_rgba())).convert("RGB")
            # The first frame's colours, not dithered: half the size, and nothing flickers.
            palette = frames[0] if frames else image.quantize(COLOURS, Image.Quantize.FASTOCTREE)
            frames.append(image.quantize(palette=palette, dither=Image.Dither.NONE))

        yield frame, axes
        pyplot.close(drawing)
    unfinished = path.with_suffix(".unfinished")
    first, *rest = frames
    milliseconds = 1000 // per_second
    first.save(unfinished, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)
    unfinished.replace(path)
