"""One visual language for all figures."""

import contextlib
import pathlib

TRAIN, TEST, PAPER = "#4c78a8", "#d1495b", "#6b7280"  # apart in grey, and for colour-blind eyes
RIGHT, WRONG = "#2e7d4f", "#d1495b"
SEQUENTIAL = "Blues"
CATEGORIES = ("#4c78a8", "#d1495b", "#2e7d4f", "#b7791f", "#7b5ea7", "#0e8a94", "#9d5c3f",
              "#c2569b", "#6b7280")  # fmt: skip

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


@contextlib.contextmanager
def figure(path: pathlib.Path, rows: int = 1, columns: int = 1, **options):
    """Give (figure, axes) in the project's style, and write them to `path` as PNG."""
    import matplotlib

    matplotlib.use("Agg")  # files only: no display is asked for
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(SETTINGS):
        drawing, axes = pyplot.subplots(rows, columns, **options)
        yield drawing, axes
        unfinished = path.with_suffix(".unfinished")
        drawing.savefig(unfinished, format="png")
        pyplot.close(drawing)
    unfinished.replace(path)
