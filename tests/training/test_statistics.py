"""True averages of statistics, against NumPy."""

import jax
import numpy as np
import pytest

import cnn_history
from cnn_history import build, datasets
from cnn_history.datasets.order import Order
from cnn_history.training import keys, loop
from cnn_history.training.statistics import recompute
from experiments import resnet_cifar10

pytestmark = pytest.mark.usefixtures("undrawn")

BATCHES, BATCH, STEPS = 3, 16, 2


def test_mean_of_what_each_batch_gives():
    made = recompute(lambda x: {"a": x, "b": {"c": 2 * x}}, iter([1.0, 2.0, 6.0]))
    assert made == {"a": pytest.approx(3.0), "b": {"c": pytest.approx(6.0)}}


@pytest.mark.parametrize("averaging", ["none", "polyak"])
def test_a_run_tests_with_the_true_average_of_the_next_batches(tmp_path, monkeypatch, averaging):
    """The statistics of the first norm, whose input is a convolution of the images, by NumPy.

    Where averaged parameters are evaluated it is theirs, of a pass, without being asked for.
    """
    config = resnet_cifar10.get_config("smoke,dataset=digits")
    config.update(steps=STEPS, image_size=8)
    if averaging == "none":
        config.statistics_batches = BATCHES
    else:
        config.update(train_split=f"train[:{BATCHES * BATCH}]", evaluated="averaged")
        config.averaging.name = averaging
    config.augmentation.name = "none"
    whole = build.model
    small = {"blocks": 1, "features": (4, 4, 4)}
    monkeypatch.setattr(build, "model", lambda *a, **k: whole(*a, **k).clone(**small))
    summary = loop.run(config, tmp_path)

    model, variables, preprocessing = cnn_history.load(tmp_path)
    images, _ = datasets.source("digits", config.train_split).arrays()
    order = Order(keys.keys(config.seed).order, len(images))
    ids, _ = order(STEPS * BATCH, (STEPS + BATCHES) * BATCH)
    kernel = variables["params"]["conv1"]["kernel"]
    maps = jax.lax.conv_general_dilated(
        preprocessing(images[ids]),
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    values = np.asarray(maps, np.float64).reshape(BATCHES, -1, maps.shape[-1])
    statistics = variables["batch_stats"]["norm1"]
    np.testing.assert_allclose(statistics["mean"], values.mean((0, 1)), atol=1e-5)
    expected = values.var(1, ddof=1).mean(0)  # E[m/(m-1) var], algorithm 2
    np.testing.assert_allclose(statistics["var"], expected, rtol=1e-4)

    test_images, labels = datasets.source("digits", config.test_split).arrays()
    logits = model.apply(variables, preprocessing(test_images), train=False)
    errors = np.mean(np.argmax(logits, -1) != labels)
    assert summary["test"]["top1_error"] == pytest.approx(errors)
