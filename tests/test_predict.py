"""Photos without labels are named, as the network itself names them."""

import csv
import io
import json

import numpy as np
import PIL.Image
import pytest

import cnn_history
from cnn_history import datasets
from tests.training import runs

COUNT = 6


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return a folder with digits as PNG, one in a folder of its own, and one that is no image."""
    folder = tmp_path_factory.mktemp("photos")
    images, _ = datasets.source("digits", "test").arrays()
    (folder / "more").mkdir()
    for i, image in enumerate(images[:COUNT]):
        name = f"more/{i}.png" if i == COUNT - 1 else f"{i}.png"
        PIL.Image.fromarray(image[..., 0]).save(folder / name)
    (folder / "torn.png").write_bytes(b"no image")
    return folder


def predict(folder, home, *flags):
    flags = ("--workdir=lenet5_digits", f"--images={folder}", *flags)
    status, out, err = runs.run("predict", *flags, HOME=str(home))
    assert status == 0, err
    assert "torn.png" in err
    return out


def test_json_has_the_networks_own_probabilities(photos, tmp_path):
    """Up to rounding: a photo is resized to 8 bits, an array in float32."""
    rows = json.loads(predict(photos, tmp_path, "--format=json", "--top=3"))
    assert sorted(row["file"] for row in rows) == [*map("{}.png".format, range(5)), "more/5.png"]
    model, variables, preprocessing = cnn_history.load("lenet5_digits")
    images, _ = datasets.source("digits", "test").arrays()
    logits = np.asarray(model.apply(variables, preprocessing(images[:COUNT]), train=False), float)
    exact = np.exp(logits - logits.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    for row in rows:
        ours = exact[int(row["file"].removeprefix("more/").removesuffix(".png"))]
        best = np.argsort(-ours)[:3]
        assert row["classes"] == [preprocessing.classes[i] for i in best]
        np.testing.assert_allclose(row["probabilities"], ours[best], atol=2e-3)


def test_csv_has_a_line_for_each_class(photos, tmp_path):
    rows = list(csv.reader(io.StringIO(predict(photos, tmp_path, "--format=csv", "--top=2"))))
    assert len(rows) == 1 + 2 * COUNT
    assert {row[0] for row in rows[1:]} >= {"0.png", "more/5.png"}


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    flags = ("--workdir=lenet5_digits", f"--images={tmp_path}/none")
    status, _, err = runs.run("predict", *flags, HOME=str(tmp_path))
    assert status == 2
    assert err.count("\n") == 1
    assert "--images" in err
