"""The filters of the first layer, and the curves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnn_history import models
from cnn_history.reporting import figures


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet_2012", "vgg11", "resnet20"])
def test_the_first_kernel_is_the_one_that_sees_the_image(name):
    info = models.info(name)
    image = jax.ShapeDtypeStruct((1, *info.input), jnp.float32)
    init = models.create(name).init
    params = jax.eval_shape(lambda x: init(jax.random.key(0), x, train=False), image)["params"]
    zeros = jax.tree.map(lambda p: np.broadcast_to(np.float32(0), p.shape), params)
    shapes = {"lenet5": (5, 5, 1, 6), "lenet5_1998": (5, 5, 1, 6), "alexnet_2012": (11, 11, 3, 96)}
    shapes |= {"vgg11": (3, 3, 3, 64), "resnet20": (3, 3, 3, 16)}
    assert figures.first_kernel(zeros, info.input[-1]).shape == shapes[name]


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_are_drawn(channels, tmp_path):
    kernel = np.random.default_rng(0).normal(size=(5, 5, channels, 20)).astype(np.float32)
    figures.filters(tmp_path / "filters.png", kernel)
    with Image.open(tmp_path / "filters.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 20)) > 100


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of what is drawn."""
    made, save = [], Figure.savefig

    def keep(drawing, *args, **options):
        made.append(drawing)
        save(drawing, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return made


def test_the_surest_mistakes_come_first(tmp_path, drawn):
    probabilities = np.array([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]])  # right, wrong, wrong
    images = np.zeros((3, 4, 4, 1), np.uint8)
    figures.predictions(
        tmp_path / "made.png", images, np.array([1, 1, 0]), probabilities, range(3), ("a", "b")
    )
    (drawing,) = drawn
    titles = [axes.get_title() for axes in drawing.axes]
    assert [title for title in titles if title] == ["b  90 %\nis a", "a  60 %\nis b", "b  80 %"]


def test_curves_within_a_decade_have_numbers_on_their_axes(tmp_path, drawn):
    lines = [
        {"step": step, "split": "train", "loss": loss, "top1_error": loss / 5}
        for step, loss in enumerate((2.4, 2.7, 2.2))
    ]
    figures.curves(tmp_path / "curves.png", lines, "a run", paper=None)
    (drawing,) = drawn
    for axes in drawing.axes:
        low, high = axes.get_ylim()
        ticks = axes.yaxis.get_major_ticks() + axes.yaxis.get_minor_ticks()
        shown = [t for t in ticks if low <= t.get_loc() <= high and t.label1.get_text()]
        assert len(shown) >= 2
