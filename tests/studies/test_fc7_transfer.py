"""The linear classifier, and the conclusions about layers."""

import numpy as np
import pytest
from scipy import optimize, special

from cnn_history import datasets
from cnn_history.studies import fc7_transfer
from tests.datasets import files


def clusters(n, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    centres = np.array([[0, 0, 5], [0, 5, 0], [5, 0, 0]])
    return centres[labels] + 2 * rng.normal(size=(n, 3)), labels


def test_the_classifier_is_the_softmax_regression_of_least_penalized_loss():
    """By scipy's L-BFGS on the loss written out; a strength of 1 is the only candidate."""
    (x, y), test = clusters(60, 0), clusters(500, 1)
    mean, std = x.mean(0), x.std(0)

    def loss(flat):
        weights, biases = flat[:9].reshape(3, 3), flat[9:]
        scores = (x - mean) / std @ weights + biases
        return 0.5 * np.sum(weights**2) - special.log_softmax(scores, 1)[range(60), y].sum()

    best = optimize.minimize(loss, np.zeros(12), method="L-BFGS-B").x
    scores = (test[0] - mean) / std @ best[:9].reshape(3, 3) + best[9:]
    expected = np.mean(scores.argmax(1) != test[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fc7_transfer, "STRENGTHS", (1.0,))
        assert fc7_transfer.linear_error((x, y), test) == pytest.approx(expected, abs=0.0041)
    assert 0 < expected < 0.3


def test_photos_of_any_size_are_squares(tmp_path):
    for i, (height, width) in enumerate([(40, 60), (60, 40)]):
        (tmp_path / "val" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "val" / "a" / f"{i}.JPEG").write_bytes(files.jpeg(height, width, seed=i))
    images, labels = fc7_transfer.squares(datasets.source("folder", "val", str(tmp_path)))
    assert images.shape == (2, 256, 256, 3)
    assert labels.tolist() == [0, 0]
    (tmp_path / "val" / "a" / "2.JPEG").write_bytes(files.BAD["truncated"][0])
    with pytest.raises(ValueError, match=r"val/a/2\.JPEG.*truncated"):
        fc7_transfer.squares(datasets.source("folder", "val", str(tmp_path)))


def found(**errors):
    """Errors [seeds] of pixels, of trained fc4 and conv1, and of random ones."""
    defaults = {"pixels": 0.2, "trained": 0.1, "random": 0.3}
    values = {k: v + np.array([-0.01, 0.0, 0.01]) for k, v in {**defaults, **errors}.items()}
    return {
        ("pixels", "pixels"): values["pixels"],
        ("conv1", "trained"): values["trained"] + 0.05,
        ("conv1", "random"): values["random"],
        ("fc4", "trained"): values["trained"][::-1],
        ("fc4", "random"): values["random"],
    }


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ({}, "better than one on the pixels, 20.0%"),
        ({"pixels": 0.02}, "worse than one on the pixels, 2.0%"),
        ({"random": 0.101}, "neither better nor worse than one on fc4 with random weights, 10.1%"),
    ],
)
def test_the_answer_follows_the_numbers(errors, words):
    said = fc7_transfer.answer(found(**errors), "fc4", "digits", 100)
    assert words in said
    assert "the best layer is fc4, at 10.0% (n=3)." in said
